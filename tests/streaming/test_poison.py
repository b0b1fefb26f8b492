"""Bad records cost little, and harm no good ones."""

import time
from pathlib import Path

import pytest
from eventlog.factories_eventlog import read_all
from factories import START_MS, play
from kafka import KafkaProducer
from streaming.factories_letters import send_raw
from streaming.factories_streaming import config, history_of, ingest, ingesting, send

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import INTERACTIONS, dead_letter
from pagecast.featurestore.database import connect
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.replays import ReplayLedger
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.letters import read_letters
from pagecast.streaming.progress import wait_until_ingested
from pagecast.streaming.replay import Outcome, Replay

USERS = 100


def bad(user_id: str) -> bytes:
    """Parses, and breaks a rule: what costs most to refuse."""
    return play(user_id, "").SerializeToString()


def storm(bootstrap: str, records: int, *, bad_share: int) -> dict[tuple[str, int], int]:
    """One record of `bad_share` is bad; 0 for none. Returns the offsets after them."""
    with EventProducer(bootstrap) as producer:
        for i in range(records):
            user_id = f"user-{i % USERS}"
            event = play(user_id, f"film-{i}", START_MS + i * 1000)
            is_bad = bad_share and i // USERS % bad_share == 0
            value = bad(user_id) if is_bad else event.SerializeToString()
            producer.send_bytes(INTERACTIONS, user_id.encode(), value, {})
        producer.flush()
        return producer.acknowledged


def test_of_ten_thousand_records_half_are_letters_and_half_are_steps(
    bootstrap: str, paths: StatePaths
) -> None:
    positions = storm(bootstrap, 10_000, bad_share=2)
    ingest(bootstrap, paths, positions, batch_records_max=10_000)
    letters = read_all(bootstrap, dead_letter(INTERACTIONS), 5_000)
    assert len(letters) == 5_000, "as many letters as bad records, and no more"
    assert {letter.headers["dlt_field"] for letter in letters} == {b"play.entity_id"}
    for user_id in ("user-0", "user-99"):
        history = history_of(paths, user_id)
        assert history is not None
        assert sum(step.events for step in history.steps) == 50


@pytest.mark.faults
def test_good_events_are_not_slowed_by_a_storm(bootstrap: str, paths: StatePaths) -> None:
    """A letter costs about three events, so twice the records, half of them bad, cost four times
    what the good ones do: nothing waits for a letter, or is tried again because of it."""
    took_s = []
    for number, (records, bad_share) in enumerate([(10_000, 0), (20_000, 2)]):
        state = StatePaths(root=paths.root / str(number))
        with ingesting(bootstrap, state, group=f"storm-{number}"):
            began_s = time.monotonic()
            positions = storm(bootstrap, records, bad_share=bad_share)
            group = config(bootstrap, state, group=f"storm-{number}").group
            wait_until_ingested(bootstrap, group, positions, 120)
            took_s.append(time.monotonic() - began_s)
    calm_s, storm_s = took_s
    assert storm_s < 2 * 4 * calm_s


def test_an_event_of_two_megabytes_is_a_letter_and_the_next_one_a_step(
    bootstrap: str, paths: StatePaths
) -> None:
    large = play("ann", "heat")
    large.context.session_id = "x" * 2_000_000
    raw = KafkaProducer(bootstrap_servers=bootstrap, max_request_size=4_000_000)
    raw.send(INTERACTIONS, key=b"ann", value=large.SerializeToString()).get(10)
    raw.close(timeout=5)
    ingest(bootstrap, paths, send(bootstrap, [play("ann", "ran")]))
    [letter] = read_all(bootstrap, dead_letter(INTERACTIONS), 1)
    assert letter.headers["dlt_reason"] == b"TOO_LARGE"
    assert letter.value == large.SerializeToString()
    history = history_of(paths, "ann")
    assert history is not None
    assert [step.entity_id for step in history.steps] == ["ran"]


@pytest.mark.parametrize("user_id", ["u" * 1024, "a\x00b", "a\nb", "\x7f"])
def test_a_user_id_too_long_or_with_control_characters_is_a_letter(
    bootstrap: str, paths: StatePaths, user_id: str
) -> None:
    ingest(bootstrap, paths, send(bootstrap, [play(user_id, "heat"), play("ann", "ran")]))
    [letter] = read_all(bootstrap, dead_letter(INTERACTIONS), 1)
    assert (letter.headers["dlt_reason"], letter.headers["dlt_field"]) == (
        b"RULE_BROKEN",
        b"user_id",
    )
    assert history_of(paths, "ann") is not None


def test_a_record_that_is_mended_by_nothing_is_a_letter_again(
    bootstrap: str, paths: StatePaths, tmp_path: Path
) -> None:
    """The whole way round: refused, replayed, refused again, with how often in its letter."""
    [record] = send_raw(bootstrap, [bad("ann")])
    at = {(INTERACTIONS, record.partition): record.offset + 1}
    ingest(bootstrap, paths, at)
    engine = connect(paths.database_url)
    with EventProducer(bootstrap) as producer:
        outcomes = Replay(ReplayLedger(engine), Erasures(engine), producer).replay(
            read_letters(bootstrap, [INTERACTIONS])
        )
    engine.dispose()
    assert outcomes == {Outcome.SENT: 1}
    ingest(bootstrap, paths, {(INTERACTIONS, record.partition): record.offset + 2})
    first, again = read_letters(bootstrap, [INTERACTIONS])
    assert (first.replays, again.replays) == (0, 1)
    assert (again.key, again.value) == (first.key, first.value) == (b"ann", bad("ann"))
    assert again.origin != first.origin
