"""Reading any part of the log again changes nothing: not a byte of a history, not a file.

Offsets of groups are set back to places that PAGECAST_TEST_SEED chooses.
"""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from factories import START_MS, event_id, timestamp
from factories_stores import valkey_server
from streaming.factories_lanes import Lane, assert_same, lanes_of, set_offsets, undisturbed
from streaming.factories_streaming import Positions, history_of, ingest, send
from streaming.factories_worlds import World, feeding, seed_of_tests

from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.pages.logged_pages import logged_pages
from pagecast.featurestore.state import StatePaths
from pagecast.v1 import events_pb2

pytestmark = pytest.mark.faults

REWINDS = 3


def files_of(lane: Lane) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in lane.paths.offline.rglob("*.parquet")}


def earlier(positions: Positions, rng: random.Random) -> Positions:
    """A place before, for each partition."""
    return {at: rng.randrange(end + 1) for at, end in positions.items()}


@pytest.mark.parametrize("store", ["sqlite", "valkey"])
def test_read_again_from_anywhere_and_from_the_beginning(
    bootstrap: str, tmp_path: Path, store: str
) -> None:
    """Rewound again and again, in batches of other sizes; the last time to the beginning.

    Stores are equal after each, and no file of the offline log is written again.
    """
    seed = seed_of_tests()
    rng, world = random.Random(seed), World(seed)
    with feeding(bootstrap, world, count=400) as fed:
        positions = fed.positions
    with valkey_server(tmp_path / "valkey") as server:
        [lane] = lanes_of(bootstrap, tmp_path, ["lane"], server if store == "valkey" else None)
        lane.catch_up(positions)
        expected = undisturbed(bootstrap, tmp_path, positions, world.users)
        files = files_of(lane)
        for number in range(REWINDS):
            last = number == REWINDS - 1
            to = dict.fromkeys(positions, 0) if last else earlier(positions, rng)
            set_offsets(bootstrap, lane.group, to)
            worker = lane.worker(batch=rng.choice((7, 50, 10_000)))
            lane.wait(positions)
            worker.stop()
            assert_same(lane.stored(world.users), expected, f"seed {seed}, rewind {number}")
            assert files_of(lane) == files


def test_read_again_by_another_group_while_the_first_goes_on(
    bootstrap: str, tmp_path: Path
) -> None:
    """A second group replays everything into stores that the first one is writing to.

    It never wins: what it brings is contained already, or will be when the first comes to it.
    Nobody is forgotten meanwhile: of an order, the groups would have to know from each other.
    """
    world = World(seed_of_tests(), forgetting=False)
    [lane] = lanes_of(bootstrap, tmp_path, ["lane"])
    with feeding(bootstrap, world, count=20, pause_s=0.3) as fed:
        fed.send(400)
        first = lane.worker(batch=20)
        lane.wait(fed.positions)
        other = replace(lane, other_group="again")
        again = other.worker(batch=50)
        other.wait(fed.positions)
        again.stop()
        first.stop()
    lane.catch_up(fed.positions)
    expected = undisturbed(bootstrap, tmp_path, fed.positions, world.users)
    assert_same(lane.stored(world.users), expected, f"seed {seed_of_tests()}")


def test_two_sessions_of_a_user_are_not_mixed(bootstrap: str, paths: StatePaths) -> None:
    """On two devices at once, the same film on both pages: each action belongs to its own page.

    A step has the context of its own session, though the other's lies next to it.
    """
    events = []
    for second in range(8):
        session = "tv" if second % 2 == 0 else "web"
        events.append(in_session(session, second))
    pages = [page_of(session) for session in ("tv", "web")]
    ingest(bootstrap, paths, send(bootstrap, [*pages, *events]))
    history = history_of(paths, "ann")
    assert history is not None
    assert {(step.session_id, step.device) for step in history.steps} == {
        ("tv", "tv"),
        ("web", "web"),
    }
    outcomes = {
        page.page_id: {e.entity_id: (e.played, e.clicked, e.listed) for e in page.entities}
        for page in logged_pages(OfflineLog(paths.offline))
    }
    assert outcomes == {
        "page-tv": {"heat": (True, False, True)},
        "page-web": {"heat": (False, True, False)},
    }


def in_session(session: str, second: int) -> events_pb2.InteractionEvent:
    """On the television she plays it and puts it on her list; on the web she clicks on it."""
    event = events_pb2.InteractionEvent(
        event_id=event_id(START_MS + second * 1000, session),
        user_id="ann",
        occurred_at=timestamp(START_MS + second * 1000),
        context=events_pb2.RequestContext(
            session_id=session, page_id=f"page-{session}", device=session, surface="home"
        ),
    )
    if session == "web":
        event.click.entity_id = "heat"
    elif second == 4:
        event.add_to_list.entity_id = "heat"
    else:
        event.play.entity_id, event.play.kind = "heat", events_pb2.PLAY_KIND_FEATURE
    return event


def page_of(session: str) -> events_pb2.PageServed:
    page = events_pb2.PageServed(
        page_id=f"page-{session}", user_id="ann", requested_at=timestamp(START_MS - 1000)
    )
    page.rows.add(row_id="top", entity_ids=["heat"], entity_log_probabilities=[-1.0])
    return page
