"""What nobody should send: clocks that are wrong, fields that are unknown, bytes that are noise.

What is no event becomes a dead letter with its reason; what is one has the effect that the rules of
lateness give it; and the events of others are not affected. `test_poison` has bad records in
masses, large ones and bad ids.
"""

import random
import time

import pytest
from eventlog.factories_eventlog import read_all
from factories import START_MS, event_id, movie, play, rate, timestamp, upsert
from streaming.factories_streaming import history_of, ingest, send, stored
from streaming.factories_worlds import seed_of_tests

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PAGES, PROFILES, dead_letter
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.state import StatePaths
from pagecast.v1 import events_pb2

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def entities_of(paths: StatePaths, user_id: str) -> list[str]:
    history = history_of(paths, user_id)
    return [] if history is None else [step.entity_id for step in history.steps]


def reasons(bootstrap: str, count: int, topic: str = INTERACTIONS) -> list[tuple[str, str]]:
    """(reason, field) of the letters there are."""
    letters = [dict(r.headers) for r in read_all(bootstrap, dead_letter(topic), count, 5.0)]
    return [((h["dlt_reason"] or b"").decode(), (h["dlt_field"] or b"").decode()) for h in letters]


def test_a_clock_that_is_ahead_is_refused_beyond_an_hour_and_harms_nobody(
    bootstrap: str, paths: StatePaths
) -> None:
    """Three hours and a day ahead: letters. Fifty minutes ahead: a step, after which events of
    the present still are steps, because it is no further ahead than events may be late."""
    now_ms = int(time.time() * 1000)
    events = [
        play("ann", "hours-ahead", now_ms + 3 * HOUR_MS),
        play("ann", "a-day-ahead", now_ms + DAY_MS),
        play("ann", "minutes-ahead", now_ms + 50 * MINUTE_MS),
        play("ann", "now", now_ms),
    ]
    ingest(bootstrap, paths, send(bootstrap, events))
    assert reasons(bootstrap, 2) == [("IN_THE_FUTURE", "occurred_at")] * 2
    assert entities_of(paths, "ann") == ["now", "minutes-ahead"]


def test_a_clock_that_is_behind_makes_late_events_and_they_are_not_lost(
    bootstrap: str, paths: StatePaths
) -> None:
    """Within an hour of the newest: put where it belongs. Behind by more, or in 1970: no step,
    but it is counted, kept in the offline log on its own day, and moves the version."""
    events = [
        play("ann", "newest"),
        play("ann", "minutes-behind", START_MS - 40 * MINUTE_MS),
        play("ann", "hours-behind", START_MS - 5 * HOUR_MS),
        play("ann", "a-day-behind", START_MS - DAY_MS),
        play("ann", "in-1970", 0),
    ]
    ingest(bootstrap, paths, send(bootstrap, events))
    history = history_of(paths, "ann")
    assert history is not None
    assert [step.entity_id for step in history.steps] == ["minutes-behind", "newest"]
    assert history.version is not None
    assert history.version.next_offset == len(events)
    assert len(OfflineLog(paths.offline).read()) == len(events)
    days = {path.name for path in (paths.offline / "interactions").glob("day=*")}
    assert days == {"day=1970-01-01", "day=2026-01-04", "day=2026-01-05"}
    assert stored(paths).popularity.keys() == {
        *("newest", "minutes-behind", "hours-behind", "a-day-behind", "in-1970"),
    }


def test_who_began_in_1970_goes_on_in_the_present(bootstrap: str, paths: StatePaths) -> None:
    ingest(bootstrap, paths, send(bootstrap, [play("ann", "then", 0), play("ann", "now")]))
    assert entities_of(paths, "ann") == ["then", "now"]


@pytest.mark.parametrize(("seconds", "nanos"), [(-1, 0), (0, -1), (2**62, 0)])
def test_a_moment_that_there_is_not_is_a_letter(
    bootstrap: str, paths: StatePaths, seconds: int, nanos: int
) -> None:
    event = play("ann", "heat")
    event.occurred_at.seconds, event.occurred_at.nanos = seconds, nanos
    ingest(bootstrap, paths, send_raw(bootstrap, "ann", event.SerializeToString()))
    [(reason, field)] = reasons(bootstrap, 1)
    assert reason in ("RULE_BROKEN", "IN_THE_FUTURE")
    assert field == "occurred_at"


def test_an_action_of_a_newer_producer_is_a_letter_until_the_worker_knows_it(
    bootstrap: str, paths: StatePaths
) -> None:
    """Field 99 in place of an action: refused, and kept as it was. Beside an action: ignored, and
    the bytes are in the offline log for those who know it."""
    unknown = play("ann", "heat")
    unknown.ClearField("play")
    newer = b"\x9a\x06\x04heat"
    alone = unknown.SerializeToString() + newer
    beside = play("ann", "ran").SerializeToString() + newer
    ingest(bootstrap, paths, send_raw(bootstrap, "ann", alone, beside))
    [letter] = read_all(bootstrap, dead_letter(INTERACTIONS), 1)
    assert (letter.headers["dlt_reason"], letter.headers["dlt_field"]) == (
        b"RULE_BROKEN",
        b"action",
    )
    assert letter.value == alone
    [row] = OfflineLog(paths.offline).read()
    assert row.value == beside
    assert entities_of(paths, "ann") == ["ran"]


def test_values_that_an_enum_does_not_have_are_letters(bootstrap: str, paths: StatePaths) -> None:
    event = play("ann", "heat")
    event.play.kind = 99  # type: ignore[assignment]
    ingest(bootstrap, paths, send_raw(bootstrap, "ann", event.SerializeToString()))
    assert reasons(bootstrap, 1) == [("RULE_BROKEN", "play.kind")]


def test_noise_is_an_event_or_a_letter_and_never_the_end(bootstrap: str, paths: StatePaths) -> None:
    """Two thousand records with a few bytes changed, cut or added, in all topics.

    Each is counted once: as a row of the offline log or as a letter. What others send in between
    has its effect.
    """
    rng = random.Random(seed_of_tests())
    originals = {
        INTERACTIONS: ("ann", [play("ann", "heat"), rate("ann", "heat"), impression("ann")]),
        PAGES: ("ann", [page("ann")]),
        PROFILES: ("ann", [events_pb2.ProfileChange(user_id="ann", occurred_at=timestamp(0))]),
        CATALOG: ("heat", [upsert(movie("heat", "Crime"))]),
    }
    with EventProducer(bootstrap) as producer:
        for number in range(500):
            for topic, (key, messages) in originals.items():
                value = spoiled(rng.choice(messages).SerializeToString(), rng)
                producer.send_bytes(topic, key.encode(), value, {})
            producer.send(INTERACTIONS, "bob", play("bob", "ran", START_MS + number))
        producer.flush()
        positions = producer.acknowledged
    ingest(bootstrap, paths, positions)
    log = OfflineLog(paths.offline)
    events, pages = log.read(), log.read_pages()
    mine = [row for row in events if row.token.user_id != "bob"]
    assert len(events) - len(mine) == 500
    letters = len(read_all(bootstrap, dead_letter(INTERACTIONS), 500 - len(mine)))
    assert letters + len(mine) == 500, f"seed {seed_of_tests()}"
    assert len(read_all(bootstrap, dead_letter(PAGES), 500 - len(pages))) + len(pages) == 500
    history = history_of(paths, "bob")
    assert history is not None
    assert sum(step.events for step in history.steps) == 500


def spoiled(value: bytes, rng: random.Random) -> bytes:
    """The value with one to four of its bytes wrong, missing or doubled."""
    spoilt = bytearray(value)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(spoilt))
        match rng.randrange(4):
            case 0:
                spoilt[at] ^= 1 << rng.randrange(8)
            case 1:
                del spoilt[at:]
            case 2:
                spoilt[at:at] = rng.randbytes(3)
            case _:
                spoilt += spoilt[at:]
        if not spoilt:
            return b"\xff"
    return bytes(spoilt)


def impression(user_id: str) -> events_pb2.InteractionEvent:
    seen = play(user_id, "heat")
    seen.ClearField("play")
    seen.impression.rows.add(row_id="top", entity_ids=["heat", "ran"])
    return seen


def page(user_id: str) -> events_pb2.PageServed:
    made = events_pb2.PageServed(
        page_id=event_id(START_MS, "page"), user_id=user_id, requested_at=timestamp(START_MS)
    )
    made.rows.add(row_id="top", entity_ids=["heat"], entity_log_probabilities=[-1.0])
    return made


def send_raw(bootstrap: str, key: str, *values: bytes) -> dict[tuple[str, int], int]:
    with EventProducer(bootstrap) as producer:
        for value in values:
            producer.send_bytes(INTERACTIONS, key.encode(), value, {})
        producer.flush()
        return producer.acknowledged
