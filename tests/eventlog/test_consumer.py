"""Every record once, from where the group left off, and none from a log that is gone."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from eventlog.factories_eventlog import EXTERNAL, SESSION_TIMEOUT_MS, poll_until
from factories import START_MS, free_port, play

from pagecast.eventlog.admin import Admin, ensure_topics, topic_ids
from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.eventlog.clients import KafkaClient, open_consumer
from pagecast.eventlog.consumer import EventConsumer
from pagecast.eventlog.errors import BrokerUnavailable, Fenced, TopicMissing
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import CATALOG, INTERACTIONS


def produce(bootstrap: str, *entity_ids: str, users: int = 1) -> dict[tuple[str, int], int]:
    with EventProducer(bootstrap) as producer:
        for i, entity_id in enumerate(entity_ids):
            user_id = f"user-{i % users}"
            producer.send(INTERACTIONS, user_id, play(user_id, entity_id, START_MS + i))
        producer.flush()
        return producer.acknowledged


@pytest.fixture(params=KafkaClient)
def client(request: pytest.FixtureRequest) -> KafkaClient:
    """All that is promised is promised of each client."""
    return KafkaClient(request.param)


def member(
    bootstrap: str, client: KafkaClient, group: str = "g", topics: Sequence[str] = (INTERACTIONS,)
) -> EventConsumer:
    return open_consumer(
        bootstrap, group, topics, session_timeout_ms=SESSION_TIMEOUT_MS, client=client
    )


def test_a_new_group_reads_from_the_beginning_with_ids_offsets_and_times(
    bootstrap: str, client: KafkaClient
) -> None:
    before_ms = int(time.time() * 1000)
    produce(bootstrap, "a", "b", "c")
    with member(bootstrap, client) as consumer:
        records = poll_until(consumer, 3)
    assert [r.offset for r in records] == [0, 1, 2]
    assert {r.topic_id for r in records} == {topic_ids(bootstrap)[INTERACTIONS]}
    assert all(before_ms <= r.timestamp_ms <= time.time() * 1000 for r in records)


def test_a_group_goes_on_after_what_it_committed(bootstrap: str, client: KafkaClient) -> None:
    produce(bootstrap, "a", "b", "c")
    with member(bootstrap, client) as consumer:
        third = poll_until(consumer, 3)[2]
        consumer.commit({(INTERACTIONS, third.partition): third.offset})
    with Admin(bootstrap) as admin:
        assert admin.committed("g") == {(INTERACTIONS, third.partition): third.offset}
    with member(bootstrap, client) as consumer:
        assert poll_until(consumer, 1) == [third]


def test_a_poll_returns_no_more_than_it_was_asked_for_and_loses_nothing(
    bootstrap: str, client: KafkaClient
) -> None:
    produce(bootstrap, *(f"film-{i}" for i in range(100)), users=10)
    with member(bootstrap, client) as consumer:
        polls = []
        deadline = time.monotonic() + 20
        while sum(map(len, polls)) < 100 and time.monotonic() < deadline:
            polls.append(consumer.poll(7, 100))
        assert max(map(len, polls)) == 7
        seen = [(r.partition, r.offset) for poll in polls for r in poll]
    assert len(seen) == len(set(seen)) == 100


def test_lag_counts_what_was_not_polled(bootstrap: str, client: KafkaClient) -> None:
    produce(bootstrap, *(f"film-{i}" for i in range(50)))
    with member(bootstrap, client) as consumer:
        [record] = poll_until(consumer, 1)[:1]
        assert consumer.lag() == {(INTERACTIONS, record.partition): 0}
    with member(bootstrap, client, "other") as consumer:
        deadline = time.monotonic() + 20
        while not (records := consumer.poll(10, 100)) and time.monotonic() < deadline:
            pass
        assert consumer.lag() == {(INTERACTIONS, records[0].partition): 40}


def test_two_members_share_the_partitions_and_each_learns_of_the_other(
    bootstrap: str, client: KafkaClient
) -> None:
    produce(bootstrap, *(f"film-{i}" for i in range(40)), users=40)
    first = member(bootstrap, client)
    poll_until(first, 40)
    epoch = first.epoch
    second = member(bootstrap, client)
    read: list[int] = []
    joined = threading.Thread(
        target=lambda: read.extend(r.partition for r in poll_until(second, 1))
    )
    joined.start()
    deadline = time.monotonic() + 20
    while (not read or first.epoch == epoch) and time.monotonic() < deadline:
        first.poll(100, 50)
    joined.join()
    assert first.epoch > epoch
    assert 0 < len(set(read)) < 4
    first.close()
    second.close()


def test_who_is_not_a_member_of_the_group_cannot_commit(
    bootstrap: str, client: KafkaClient
) -> None:
    with member(bootstrap, client) as consumer, pytest.raises(Fenced, match="another member"):
        consumer.commit({(INTERACTIONS, 0): 1})


def test_a_member_that_leaves_while_it_joins_does_not_lock_out_the_others(
    bootstrap: str, client: KafkaClient
) -> None:
    produce(bootstrap, "a")
    for pause_ms in (1, SESSION_TIMEOUT_MS // 4, SESSION_TIMEOUT_MS // 2):
        with member(bootstrap, client) as hasty:
            hasty.poll(1, pause_ms)
    with member(bootstrap, client) as consumer:
        assert len(poll_until(consumer, 1)) == 1


def test_a_topic_that_does_not_exist_is_named_and_not_created(
    bootstrap: str, client: KafkaClient
) -> None:
    with pytest.raises(TopicMissing, match=r"no\.such\.topic"):
        member(bootstrap, client, topics=["no.such.topic"])
    assert "no.such.topic" not in topic_ids(bootstrap)


def test_without_a_group_every_partition_is_read_from_the_beginning(
    bootstrap: str, client: KafkaClient
) -> None:
    produce(bootstrap, *(f"film-{i}" for i in range(20)), users=20)
    with open_consumer(bootstrap, None, [INTERACTIONS], client=client) as consumer:
        assert len({r.partition for r in poll_until(consumer, 20)}) == 4


@pytest.mark.skipif(bool(EXTERNAL), reason="restarts the broker")
def test_a_log_that_begins_again_is_noticed_and_read_from_its_beginning(
    tmp_path: Path, client: KafkaClient
) -> None:
    port = free_port()
    log = tmp_path / "broker.log"
    with EmbeddedBroker(port, log=log) as broker:
        bootstrap = broker.bootstrap_servers
        ensure_topics(bootstrap)
        produce(bootstrap, *(f"old-{i}" for i in range(10)))
        consumer = member(bootstrap, client, topics=[INTERACTIONS, CATALOG])
        old = poll_until(consumer, 10)
        epoch = consumer.epoch
    with pytest.raises(BrokerUnavailable):
        poll_until(consumer, 1, timeout_s=5)
    with EmbeddedBroker(port, log=log):
        ensure_topics(bootstrap)
        # More than before: by offset alone the last two would look like the next ones.
        produce(bootstrap, *(f"new-{i}" for i in range(12)))
        new = poll_until_available(consumer, 12)
        assert consumer.epoch > epoch
        assert [r.offset for r in new] == list(range(12))
        assert {r.topic_id for r in new} == {topic_ids(bootstrap)[INTERACTIONS]}
        assert {r.topic_id for r in new}.isdisjoint(r.topic_id for r in old)
        consumer.close()


@pytest.mark.skipif(bool(EXTERNAL), reason="stops the broker")
def test_while_the_broker_is_away_committing_and_closing_end_in_time(
    tmp_path: Path, client: KafkaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedBroker(log=tmp_path / "broker.log") as broker:
        ensure_topics(broker.bootstrap_servers)
        produce(broker.bootstrap_servers, "a")
        consumer = member(broker.bootstrap_servers, client)
        [record] = poll_until(consumer, 1)
        with monkeypatch.context() as between:
            # The broker goes after the log was looked at, and before the commit arrives.
            between.setattr(consumer, "_check_logs", broker.stop)
            begin_s = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                consumer.commit({(INTERACTIONS, record.partition): 1})
        consumer.close()
    assert time.monotonic() - begin_s < 10


def poll_until_available(consumer: EventConsumer, count: int) -> list[Record]:
    records: list[Record] = []
    deadline = time.monotonic() + 15
    while len(records) < count and time.monotonic() < deadline:
        try:
            records += consumer.poll(1000, 100)
        except (BrokerUnavailable, TopicMissing):
            time.sleep(0.05)
    return records
