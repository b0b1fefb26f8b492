"""A refused record is kept whole, with what is wrong with it."""

import hashlib

from eventlog.factories_eventlog import read_all

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import (
    DEAD_LETTER_BYTES_MAX,
    INTERACTIONS,
    RECORD_BYTES_MAX,
    dead_letter,
)
from pagecast.eventlog.validation import Reason, Rejection
from pagecast.streaming.deadletter import send_dead_letters

REJECTION = Rejection(reason=Reason.RULE_BROKEN, field="rate.rating", detail="must be a number")


def refused(value: bytes) -> Record:
    headers = {"ce_id": b"e1", "traceparent": b"00-1"}
    return Record(INTERACTIONS, "topic-id", 3, 41, b"ann", value, headers, 0)


def test_it_keeps_the_record_and_says_why_where_and_when(bootstrap: str) -> None:
    with EventProducer(bootstrap) as producer:
        send_dead_letters(producer, [(refused(b"\x00\xff"), REJECTION)])
    [letter] = read_all(bootstrap, dead_letter(INTERACTIONS), 1)
    assert (letter.key, letter.value) == (b"ann", b"\x00\xff")
    time = letter.headers.pop("dlt_time").decode()
    assert time.startswith("20")
    assert letter.headers == {
        "ce_id": b"e1",
        "traceparent": b"00-1",
        "dlt_reason": b"RULE_BROKEN",
        "dlt_field": b"rate.rating",
        "dlt_detail": b"must be a number",
        "dlt_topic": INTERACTIONS.encode(),
        "dlt_topic_id": b"topic-id",
        "dlt_partition": b"3",
        "dlt_offset": b"41",
        "dlt_sha256": hashlib.sha256(b"\x00\xff").hexdigest().encode(),
    }


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
