"""Kill a worker anywhere: no step is lost, none is doubled, and no store differs by a byte.

The points are chosen by PAGECAST_TEST_SEED, which the messages of failures name. What must be in
the stores is counted from the log by other means (`factories_recount`), and compared with what a
worker has written that nobody disturbed.
"""

import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from eventlog.factories_eventlog import read_all
from factories_stores import ValkeyServer, valkey_server
from streaming.factories_lanes import (
    Lane,
    assert_same,
    check_requests,
    in_parallel,
    lanes_of,
    undisturbed,
)
from streaming.factories_recount import check, recount
from streaming.factories_streaming import Positions
from streaming.factories_worlds import World, feeding, seed_of_tests
from streaming.worker_process import FILES

from pagecast.eventlog.topics import INTERACTIONS, TRAININGS
from pagecast.featurestore.offline import OfflineLog

PLACES = {
    "counted": 4,
    "online": 4,
    "tombstone": 1,
    "erased online": 1,
    "erased offline": 1,
    FILES: 12,
    "offline": 4,
    "committed": 4,
    "requested": 4,
    "published": 1,
}
"""Between which writes a worker is killed, and up to how often it has passed there before."""

ONE_OF_EACH = ("online", FILES, "committed")
"""Before the histories, amid the files of the offline log, before the offsets."""

AT_START, AT_ANY_TIME = "at start", "at any time"

REACHED_S_MAX = 5.0
"""Who has joined its group and does not reach its place by then is killed where it is."""

KILLS, LANES = 200, 8

COMPACTED = 0.1
"""Share of the workers beside which the offline log is compacted."""


def test_the_verifier_sees_what_is_lost_and_what_is_doubled(bootstrap: str, tmp_path: Path) -> None:
    """Else the tests below would prove nothing."""
    world = World(seed_of_tests())
    with feeding(bootstrap, world, count=600) as fed:
        positions = fed.positions
    expected = undisturbed(bootstrap, tmp_path, positions, world.users)
    counted = recount(bootstrap, positions)
    assert counted.receipts
    assert counted.refused
    assert counted.pages
    expected.offline.append(expected.offline[-1])
    with pytest.raises(AssertionError, match="each event once"):
        check(expected, counted)
    del expected.offline[-2:]
    with pytest.raises(AssertionError, match="events of the offline log: lost"):
        check(expected, counted)


def killed_once_in_each(
    places: Sequence[str], bootstrap: str, tmp_path: Path, server: ValkeyServer | None = None
) -> None:
    """One group for each place, killed there once; then another worker goes on."""
    world = World(seed_of_tests())
    with feeding(bootstrap, world, count=400) as fed:
        positions = fed.positions
    lanes = lanes_of(bootstrap, tmp_path, places, server)

    def work(lane: Lane) -> None:
        lane.worker(f"{lane.name}:{min(2, PLACES[lane.name])}:SIGKILL").wait_killed()
        lane.catch_up(positions)

    in_parallel(work, lanes)
    expected = undisturbed(bootstrap, tmp_path, positions, world.users)
    for lane in lanes:
        assert_same(lane.stored(world.users), expected, f"seed {seed_of_tests()}, {lane.name}")


def test_killed_between_its_stores_it_loses_and_doubles_nothing(
    bootstrap: str, tmp_path: Path
) -> None:
    killed_once_in_each(ONE_OF_EACH, bootstrap, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("store", ["sqlite", "valkey"])
def test_killed_between_any_two_writes_it_loses_and_doubles_nothing(
    bootstrap: str, tmp_path: Path, store: str
) -> None:
    """Histories are in a Valkey server, or in SQLite."""
    if store == "sqlite":
        killed_once_in_each(list(PLACES), bootstrap, tmp_path)
        return
    with valkey_server(tmp_path / "valkey") as server:
        killed_once_in_each(list(PLACES), bootstrap, tmp_path, server)


@pytest.mark.faults
def test_killed_two_hundred_times_it_loses_and_doubles_nothing(
    bootstrap: str, tmp_path: Path
) -> None:
    """Eight groups, half of them on Valkey, read a log that grows meanwhile; the workers of each
    are killed 25 times.

    Trainings are asked for once for a reason, and every request is published.
    """
    seed = seed_of_tests()
    world = World(seed)
    names = [f"lane-{n}" for n in range(LANES)]
    with valkey_server(tmp_path / "valkey") as server:
        lanes = lanes_of(bootstrap, tmp_path, names[::2])
        lanes += lanes_of(bootstrap, tmp_path, names[1::2], server)
        with feeding(bootstrap, world, count=20, pause_s=0.5) as fed:
            struck = in_parallel(lambda lane: strike_often(lane, f"{seed}/{lane.name}"), lanes)
            fed.send(100)
        positions = fed.positions
        places = sum(struck, Counter())
        assert places.total() == KILLS
        assert places[AT_ANY_TIME] < KILLS / 2, f"few places were reached: {places}"
        in_parallel(lambda lane: compact_and_catch_up(lane, positions), lanes)
        expected = undisturbed(bootstrap, tmp_path, positions, world.users)
        events = sum(end for (topic, _), end in positions.items() if topic == INTERACTIONS)
        requested: set[str] = set()
        for lane in lanes:
            assert_same(lane.stored(world.users), expected, f"seed {seed}, {lane.name}")
            requested |= check_requests(lane, events)
    published = read_all(bootstrap, TRAININGS, len(requested))
    assert {(record.key or b"").decode() for record in published} >= requested


def strike_often(lane: Lane, seed: str) -> Counter[str]:
    """Kills one worker after the other; returns where."""
    rng = random.Random(seed)
    return Counter(strike(lane, rng) for _ in range(KILLS // LANES))


def compact_and_catch_up(lane: Lane, positions: Positions) -> None:
    """Small batches leave small parts, and every order to forget reads all of them."""
    OfflineLog(lane.paths.offline).compact()
    lane.catch_up(positions)


def strike(lane: Lane, rng: random.Random) -> str:
    """Lets a worker work until it is killed; returns where it was."""
    place = rng.choice([*PLACES, AT_START, AT_ANY_TIME])
    times = rng.randint(1, PLACES.get(place, 1))
    worker = lane.worker(f"{place}:{times}:SIGKILL" if place in PLACES else "")
    try:
        if rng.random() < COMPACTED:
            OfflineLog(lane.paths.offline).compact()
        if place == AT_START:
            time.sleep(rng.uniform(0.0, 1.5))
            return place
        worker.wait_ready()
        if place == AT_ANY_TIME:
            time.sleep(rng.uniform(0.0, 0.8))
        elif not worker.is_killed_within(REACHED_S_MAX):
            place = AT_ANY_TIME
    finally:
        worker.kill()
    return place
