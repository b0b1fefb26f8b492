"""A refused record is kept whole, with the reason."""

import hashlib

import pytest
from eventlog.factories_eventlog import read_all
from factories import START_MS, play
from kafka import KafkaProducer

from pagecast.eventlog.dead_letters import KEY_BYTES_KEPT
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Reason, Rejection
from pagecast.eventlog.topics import (
    DEAD_LETTER_BYTES_MAX,
    INTERACTIONS,
    RECORD_BYTES_MAX,
    dead_letter,
)
from pagecast.eventlog.validation import interaction_of
from pagecast.streaming.deadletter import send_dead_letters

REJECTION = Rejection(reason=Reason.RULE_BROKEN, field="rate.rating", detail="must be a number")


def refused(value: bytes | None, offset: int = 41) -> Record:
    headers = [("ce_id", b"e1"), ("traceparent", b"00-1")]
    return Record(INTERACTIONS, "topic-id", 3, offset, b"ann", value, headers, START_MS)


def test_it_keeps_the_record_and_says_why_where_and_when(bootstrap: str) -> None:
    with EventProducer(bootstrap) as producer:
        send_dead_letters(producer, [(refused(b"\x00\xff"), REJECTION)])
    [letter] = read_all(bootstrap, dead_letter(INTERACTIONS), 1)
    assert (letter.key, letter.value) == (b"ann", b"\x00\xff")
    headers = letter.headers
    assert (headers.pop("dlt_time") or b"").startswith(b"20")
    assert headers == {
        "ce_id": b"e1",
        "traceparent": b"00-1",
        "dlt_reason": b"RULE_BROKEN",
        "dlt_field": b"rate.rating",
        "dlt_detail": b"must be a number",
        "dlt_topic": INTERACTIONS.encode(),
        "dlt_topic_id": b"topic-id",
        "dlt_partition": b"3",
        "dlt_offset": b"41",
        "dlt_timestamp_ms": str(START_MS).encode(),
        "dlt_sha256": hashlib.sha256(b"\x00\xff").hexdigest().encode(),
    }


def test_a_record_without_a_value_stays_one(bootstrap: str) -> None:
    with EventProducer(bootstrap) as producer:
        send_dead_letters(producer, [(refused(None), REJECTION)])
    [letter] = read_all(bootstrap, dead_letter(INTERACTIONS), 1)
    assert letter.value is None


def test_a_record_too_large_even_for_dead_letters_is_cut_and_says_so(bootstrap: str) -> None:
    value = b"x" * DEAD_LETTER_BYTES_MAX
    with EventProducer(bootstrap) as producer:
        send_dead_letters(producer, [(refused(value), REJECTION), (refused(b"small"), REJECTION)])
    cut, whole = read_all(bootstrap, dead_letter(INTERACTIONS), 2)
    assert cut.value == value[:RECORD_BYTES_MAX]
    assert cut.headers["dlt_truncated"] == b"true"
    assert cut.headers["dlt_sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert whole.value == b"small"
    assert "dlt_truncated" not in whole.headers


def test_so_is_the_key(bootstrap: str) -> None:
    record = refused(b"small")._replace(key=b"k" * DEAD_LETTER_BYTES_MAX)
    with EventProducer(bootstrap) as producer:
        send_dead_letters(producer, [(record, REJECTION)])
    [cut] = read_all(bootstrap, dead_letter(INTERACTIONS), 1)
    assert (cut.key, cut.value) == (b"k" * KEY_BYTES_KEPT, b"small")
    assert cut.headers["dlt_truncated"] == b"true"


def test_a_storm_of_bad_records_is_as_many_letters_and_one_line_of_the_log(
    bootstrap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of ten thousand records are bad: what they cost is bounded by their number."""
    value = play("ann", "heat").SerializeToString()
    records = [refused(value if i % 2 else b"\xff", offset=i) for i in range(10_000)]
    judged = [(record, interaction_of(record)) for record in records]
    bad = [(record, found) for record, found in judged if isinstance(found, Rejection)]
    assert len(bad) == 5_000
    capsys.readouterr()
    with EventProducer(bootstrap) as producer:
        send_dead_letters(producer, bad)
        assert sum(producer.acknowledged.values()) == 5_000
    assert capsys.readouterr().out.count("records refused") == 1
    letters = read_all(bootstrap, dead_letter(INTERACTIONS), 5_000)
    assert [letter.headers["dlt_offset"] for letter in letters] == [
        str(i).encode() for i in range(0, 10_000, 2)
    ]


def test_an_event_of_two_megabytes_that_is_in_the_log_all_the_same_is_a_letter(
    bootstrap: str,
) -> None:
    """A broker set up otherwise takes more than ours; so does the embedded one."""
    large = play("ann", "heat")
    large.context.session_id = "x" * 2_000_000
    raw = KafkaProducer(bootstrap_servers=bootstrap, max_request_size=4_000_000)
    raw.send(INTERACTIONS, key=b"ann", value=large.SerializeToString()).get(10)
    raw.close(timeout=5)
    [record] = read_all(bootstrap, INTERACTIONS, 1)
    found = interaction_of(record)
    assert isinstance(found, Rejection)
    assert found.reason == Reason.TOO_LARGE
    with EventProducer(bootstrap) as producer:
        send_dead_letters(producer, [(record, found)])
    [letter] = read_all(bootstrap, dead_letter(INTERACTIONS), 1)
    assert letter.value == record.value
