"""What is sent arrives once, in order, with its attributes; failures are reported."""

import os
import signal
import time
from pathlib import Path

import pytest
from eventlog.factories_eventlog import EXTERNAL, read_all
from factories import START_MS, event_id, free_port, movie, play, upsert
from kafka.errors import KafkaError

from pagecast.eventlog.admin import ensure_topics
from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.eventlog.errors import (
    BrokerUnavailable,
    BufferFull,
    PublishFailed,
    RecordTooLarge,
)
from pagecast.eventlog.producer import STUCK_S, EventProducer
from pagecast.eventlog.topics import (
    CATALOG,
    DEAD_LETTER_BYTES_MAX,
    INTERACTIONS,
    PROFILES,
    RECORD_BYTES_MAX,
    dead_letter,
)
from pagecast.v1 import events_pb2


def test_a_message_arrives_with_its_key_and_cloud_event_attributes(bootstrap: str) -> None:
    event = play("ann", "heat")
    with EventProducer(bootstrap, source="/shop") as producer:
        producer.send(INTERACTIONS, "ann", event, headers={"traceparent": b"00-1-2-01"})
        producer.flush()
    [record] = read_all(bootstrap, INTERACTIONS, 1)
    assert record.key == b"ann"
    assert events_pb2.InteractionEvent.FromString(record.value) == event
    assert record.headers == {
        "ce_specversion": b"1.0",
        "ce_id": event.event_id.encode(),
        "ce_source": b"/shop",
        "ce_type": b"pagecast.v1.InteractionEvent",
        "ce_time": b"2026-01-05T12:00:00Z",
        "traceparent": b"00-1-2-01",
    }


def test_a_message_without_an_event_id_gets_one(bootstrap: str) -> None:
    with EventProducer(bootstrap) as producer:
        producer.send(CATALOG, "heat", upsert(movie("heat")))
        producer.send(CATALOG, "heat", upsert(movie("heat")))
    first, second = read_all(bootstrap, CATALOG, 2)
    assert first.headers["ce_id"] != second.headers["ce_id"]


def test_records_of_a_key_keep_their_order_in_one_partition(bootstrap: str) -> None:
    sent = [play("ann", f"film-{i}", START_MS + i) for i in range(500)]
    with EventProducer(bootstrap) as producer:
        for event in sent:
            producer.send(INTERACTIONS, "ann", event)
    records = read_all(bootstrap, INTERACTIONS, 500)
    assert [r.headers["ce_id"].decode() for r in records] == [e.event_id for e in sent]
    assert len({r.partition for r in records}) == 1


def test_it_knows_the_offsets_after_what_was_acknowledged(bootstrap: str) -> None:
    with EventProducer(bootstrap) as producer:
        for i in range(300):
            producer.send(INTERACTIONS, f"user-{i}", play(f"user-{i}", "heat"))
        producer.flush()
        positions = producer.acknowledged
    records = read_all(bootstrap, INTERACTIONS, 300)
    assert sum(positions.values()) == len(records) == 300
    for (topic, partition), next_offset in positions.items():
        offsets = [r.offset for r in records if r.partition == partition]
        assert topic == INTERACTIONS
        assert offsets == list(range(next_offset))


def test_a_topic_that_does_not_exist_is_not_created_but_refused(bootstrap: str) -> None:
    with EventProducer(bootstrap, room_timeout_s=0.5) as producer:
        for _ in range(2):
            with pytest.raises(PublishFailed, match="ensure_topics"):
                producer.send("no.such.topic", "ann", play("ann", "heat"))


@pytest.mark.parametrize(
    ("topic", "bytes_max"),
    [(INTERACTIONS, RECORD_BYTES_MAX), (dead_letter(INTERACTIONS), DEAD_LETTER_BYTES_MAX)],
)
def test_a_record_too_large_for_its_topic_is_refused_before_it_is_sent(
    bootstrap: str, topic: str, bytes_max: int
) -> None:
    with EventProducer(bootstrap) as producer:
        with pytest.raises(RecordTooLarge, match=rf"{topic}, which takes {bytes_max}"):
            producer.send_bytes(topic, b"ann", b"x" * bytes_max, {})
        producer.send_bytes(topic, b"ann", b"x" * (bytes_max - 100), {})
        producer.flush()
        assert len(read_all(bootstrap, topic, 1)) == 1


def test_a_record_too_large_for_any_topic_is_refused(bootstrap: str) -> None:
    with EventProducer(bootstrap) as producer:
        large = play("ann", "heat")
        large.context.session_id = "x" * 2_000_000
        with pytest.raises(RecordTooLarge, match="send less"):
            producer.send(INTERACTIONS, "ann", large)
        producer.send(INTERACTIONS, "ann", play("ann", "heat"))
    assert len(read_all(bootstrap, INTERACTIONS, 1)) == 1


def test_how_a_record_ended_can_be_told_for_each(bootstrap: str) -> None:
    told: list[BaseException | None] = []
    with EventProducer(bootstrap) as producer:
        for i in range(300):
            event = play(f"user-{i}", "heat")
            producer.send(INTERACTIONS, event.user_id, event, on_settled=told.append)
        producer.flush()
        assert told == [None] * 300
        with pytest.raises(RecordTooLarge):
            producer.send_bytes(
                INTERACTIONS, b"ann", b"x" * DEAD_LETTER_BYTES_MAX, {}, on_settled=told.append
            )
        assert len(told) == 300


@pytest.mark.skipif(bool(EXTERNAL), reason="stops the broker")
def test_a_full_buffer_is_said_and_so_is_what_was_not_acknowledged(tmp_path: Path) -> None:
    with EmbeddedBroker(log=tmp_path / "broker.log") as broker:
        ensure_topics(broker.bootstrap_servers)
        producer = EventProducer(
            broker.bootstrap_servers, buffer_bytes_max=5_000, room_timeout_s=0.2
        )
        producer.send(INTERACTIONS, "ann", play("ann", "heat"))
        producer.flush()
    with pytest.raises(BufferFull, match="wait for the broker"):
        for i in range(100):
            producer.send(INTERACTIONS, "ann", play("ann", f"film-{i}"))
    with pytest.raises(PublishFailed, match=r"not acknowledged within 0\.1 s"):
        producer.flush(0.1)
    with pytest.raises(PublishFailed):
        producer.close(timeout_s=0.1)


@pytest.mark.skipif(bool(EXTERNAL), reason="restarts the broker")
def test_it_recovers_from_a_broker_that_has_forgotten_it(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "broker.log"
    with EmbeddedBroker(port, log=log) as broker:
        ensure_topics(broker.bootstrap_servers)
        producer = EventProducer(broker.bootstrap_servers)
        producer.send(INTERACTIONS, "ann", play("ann", "heat"))
        producer.flush()
    with EmbeddedBroker(port, log=log) as broker:
        ensure_topics(broker.bootstrap_servers)
        producer.send(INTERACTIONS, "ann", play("ann", "lost"))
        with pytest.raises(PublishFailed, match="1 records were not acknowledged"):
            producer.flush()
        producer.send(INTERACTIONS, "ann", play("ann", "ran"))
        producer.flush()
        [record] = read_all(broker.bootstrap_servers, INTERACTIONS, 1)
        assert record.headers["ce_id"].decode() == event_id(START_MS, "play/ann/ran")
        assert producer.acknowledged == {(INTERACTIONS, record.partition): 1}
        producer.close()


@pytest.mark.skipif(bool(EXTERNAL), reason="restarts the broker")
def test_a_failure_is_told_to_whom_it_concerns_and_to_nobody_else(tmp_path: Path) -> None:
    told: list[BaseException | None] = []
    port, log = free_port(), tmp_path / "broker.log"
    with EmbeddedBroker(port, log=log) as broker:
        ensure_topics(broker.bootstrap_servers)
        producer = EventProducer(broker.bootstrap_servers)
        producer.send(INTERACTIONS, "ann", play("ann", "heat"), on_settled=told.append)
        producer.flush()
    with EmbeddedBroker(port, log=log) as broker:
        ensure_topics(broker.bootstrap_servers)
        producer.send(INTERACTIONS, "ann", play("ann", "lost"), on_settled=told.append)
        producer.flush()
        producer.close()
    assert told[0] is None
    assert isinstance(told[1], KafkaError)


@pytest.mark.faults
@pytest.mark.skipif(bool(EXTERNAL), reason="stops the broker")
def test_it_recovers_from_a_broker_that_was_away_for_longer_than_a_record_may_take(
    tmp_path: Path,
) -> None:
    """kafka-python alone never sends again then: what it holds is given up, and told so."""
    told: list[BaseException | None] = []
    with EmbeddedBroker(log=tmp_path / "broker.log") as broker:
        ensure_topics(broker.bootstrap_servers)
        producer = EventProducer(broker.bootstrap_servers)
        users = [f"user-{i}" for i in range(12)]

        def send_all(film: str) -> None:
            for user_id in users:
                event = play(user_id, film)
                producer.send(INTERACTIONS, user_id, event, on_settled=told.append)

        send_all("before")
        producer.flush()
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        send_all("lost")
        time.sleep(STUCK_S + 1.0)
        os.kill(broker.pid, signal.SIGCONT)
        send_all("after")
        producer.flush()
        producer.close()
    assert told[:12] == told[24:] == [None] * 12
    assert all(isinstance(failure, KafkaError) for failure in told[12:24])


def test_no_broker_is_said_at_once() -> None:
    with pytest.raises(BrokerUnavailable):
        EventProducer(f"127.0.0.1:{free_port()}", room_timeout_s=0.1)


def test_a_tombstone_has_a_key_and_no_value(bootstrap: str) -> None:
    profile = events_pb2.ProfileChange(user_id="ann", language="sv")
    with EventProducer(bootstrap) as producer:
        producer.send(PROFILES, "ann", profile)
        producer.send_tombstone(PROFILES, "ann")
        producer.flush()
        [(topic, partition)] = producer.acknowledged
    known, forgotten = read_all(bootstrap, PROFILES, 2)
    assert (topic, partition) == (PROFILES, forgotten.partition)
    assert known.value
    assert (forgotten.key, forgotten.value) == (b"ann", None)
    assert forgotten.partition == known.partition, "the order of a key holds"
