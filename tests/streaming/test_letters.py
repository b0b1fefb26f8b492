"""Letters are read as they were written, whoever wrote them."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from factories import START_MS
from streaming.factories_letters import refuse, rejection, send_raw

from pagecast.eventlog.admin import ensure_topics
from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.eventlog.consumer import EventConsumer
from pagecast.eventlog.errors import BrokerUnavailable
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Reason
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PROFILES, dead_letter
from pagecast.featurestore.positions import LogOffset
from pagecast.streaming import letters
from pagecast.streaming.letters import (
    LETTERED,
    NEWER_MS_MAX,
    REPLAY_HEADER,
    Summaries,
    letter_of,
    read_letters,
)


def noted(headers: Sequence[tuple[str, bytes | None]], value: bytes | None = b"x") -> Record:
    return Record(dead_letter(INTERACTIONS), "id", 0, 7, b"ann", value, headers, START_MS)


def test_a_letter_is_the_record_and_what_is_wrong_with_it(bootstrap: str) -> None:
    [record] = send_raw(bootstrap, [b"\xff"])
    refuse(bootstrap, [record])
    [letter] = read_letters(bootstrap, [INTERACTIONS])
    assert (letter.topic, letter.partition, letter.offset) == (INTERACTIONS, 0, 0)
    assert (letter.reason, letter.field, letter.detail) == (
        "RULE_BROKEN",
        "play.entity_id",
        "wrong",
    )
    assert letter.origin == LogOffset(
        topic_id=record.topic_id, partition=record.partition, offset=record.offset
    )
    assert letter.sent_at_ms == record.timestamp_ms
    assert (letter.key, letter.value, letter.headers) == (b"ann", b"\xff", {"ce_id": b"e1"})
    assert (letter.replays, letter.run, letter.truncated) == (0, "", False)


def test_letters_of_every_topic_are_read_in_order(bootstrap: str) -> None:
    for topic in (PROFILES, CATALOG, INTERACTIONS):
        refuse(bootstrap, send_raw(bootstrap, [b"\xff", b"\xfe"], topic=topic))
    read: dict[str, list[bytes | None]] = {}
    for letter in read_letters(bootstrap):
        read.setdefault(letter.topic, []).append(letter.value)
    assert read == {t: [b"\xff", b"\xfe"] for t in (INTERACTIONS, CATALOG, PROFILES)}
    assert read.keys() <= set(LETTERED)
    assert len(list(read_letters(bootstrap, [CATALOG]))) == 2


def test_what_somebody_else_has_written_there_is_read_and_has_no_origin(bootstrap: str) -> None:
    with EventProducer(bootstrap) as producer:
        producer.send_bytes(dead_letter(INTERACTIONS), None, b"hello", {})
    [letter] = read_letters(bootstrap, [INTERACTIONS])
    assert letter.origin is None
    assert (letter.reason, letter.value) == ("", b"hello")


@pytest.mark.parametrize(
    "headers",
    [
        [("dlt_topic_id", b"t"), ("dlt_partition", b"-1"), ("dlt_offset", b"3")],
        [("dlt_topic_id", b"t"), ("dlt_partition", b"0"), ("dlt_offset", b"\xff")],
        [("dlt_topic_id", None), ("dlt_partition", b"0"), ("dlt_offset", b"3")],
        [(REPLAY_HEADER, b"many"), ("dlt_timestamp_ms", b"now"), ("dlt_reason", b"\xff")],
    ],
)
def test_notes_that_make_no_sense_are_left_empty(
    headers: Sequence[tuple[str, bytes | None]],
) -> None:
    letter = letter_of(INTERACTIONS, noted(headers))
    assert letter.origin is None
    assert (letter.replays, letter.sent_at_ms, letter.reason) == (0, START_MS, "")


def test_how_often_it_was_replayed_is_in_a_header() -> None:
    letter = letter_of(INTERACTIONS, noted([(REPLAY_HEADER, b"2:run")]))
    assert (letter.replays, letter.run) == (2, "run")


def test_letters_of_a_storm_that_goes_on_are_left_for_the_next_time(
    bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(bootstrap, send_raw(bootstrap, [b"\xff"]))
    began = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: began() - (NEWER_MS_MAX + 5_000) * 1_000_000)
    assert list(read_letters(bootstrap, [INTERACTIONS])) == []


class HaltedAtFirst(EventConsumer):
    """Reads from a broker that goes on only a second after it was connected to."""

    broker: EmbeddedBroker

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        assert self.broker.pid is not None
        os.kill(self.broker.pid, signal.SIGSTOP)
        threading.Timer(1.0, os.kill, (self.broker.pid, signal.SIGCONT)).start()


def test_a_broker_that_is_slow_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedBroker(log=tmp_path / "broker.log") as broker:
        ensure_topics(broker.bootstrap_servers)
        refuse(broker.bootstrap_servers, send_raw(broker.bootstrap_servers, [b"\xff", b"\xfe"]))
        HaltedAtFirst.broker = broker
        monkeypatch.setattr(letters, "EventConsumer", HaltedAtFirst)
        found = read_letters(broker.bootstrap_servers, [INTERACTIONS])
        assert [letter.value for letter in found] == [b"\xff", b"\xfe"]


def test_a_partition_that_never_answers_is_said_so(
    bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "SILENT_POLLS_MAX", 3)
    monkeypatch.setattr(EventConsumer, "ends", lambda _: {})
    with pytest.raises(BrokerUnavailable, match="1 partitions of dead letters do not answer"):
        list(read_letters(bootstrap, [INTERACTIONS]))


def test_a_summary_counts_all_and_holds_the_newest_few_without_their_values() -> None:
    summaries = Summaries(samples_max=2)
    for i in range(5):
        record = noted([("dlt_reason", b"MALFORMED"), ("dlt_detail", b"%d" % i)])
        summaries.add(letter_of(INTERACTIONS, record._replace(timestamp_ms=START_MS + i)))
    [group] = summaries.groups.values()
    assert (group.count, group.first_ms, group.last_ms) == (5, START_MS, START_MS + 4)
    assert [(s.detail, s.value) for s in group.samples] == [("3", None), ("4", None)]


def test_there_are_as_many_summaries_as_topics_and_reasons_and_no_more() -> None:
    summaries = Summaries(samples_max=1)
    for i in range(100):
        summaries.add(letter_of(INTERACTIONS, noted([("dlt_reason", b"MADE_UP_%d" % i)])))
    assert list(summaries.groups) == [(INTERACTIONS, "")]
    assert rejection(Reason.MALFORMED).reason in set(Reason)
