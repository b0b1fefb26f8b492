"""Which client reads the log; what each of them promises is in test_consumer.py."""

import sys
import time

import pytest
from eventlog.factories_eventlog import SESSION_TIMEOUT_MS
from eventlog.test_consumer import produce

from pagecast.eventlog.clients import KafkaClient, open_consumer
from pagecast.eventlog.consumer import EventConsumer
from pagecast.eventlog.errors import EventLogError
from pagecast.eventlog.fast import FastConsumer
from pagecast.eventlog.topics import INTERACTIONS


def test_kafka_python_reads_unless_another_client_is_named(bootstrap: str) -> None:
    with open_consumer(bootstrap, None, [INTERACTIONS]) as consumer:
        assert type(consumer) is EventConsumer
    with open_consumer(bootstrap, None, [INTERACTIONS], client=KafkaClient.CONFLUENT) as consumer:
        assert type(consumer) is FastConsumer


def test_a_client_that_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "pagecast.eventlog.fast")
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(EventLogError, match="pip install confluent-kafka"):
        open_consumer("127.0.0.1:1", "g", [INTERACTIONS], client=KafkaClient.CONFLUENT)


def test_members_with_different_clients_share_a_group(bootstrap: str) -> None:
    """So workers can be moved from one to the other while they run."""
    produce(bootstrap, *(f"film-{i}" for i in range(40)), users=40)
    members = [
        open_consumer(
            bootstrap, "g", [INTERACTIONS], session_timeout_ms=SESSION_TIMEOUT_MS, client=client
        )
        for client in KafkaClient
    ]
    partitions: list[set[int]] = [set(), set()]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (
        all(partitions) and len(set.union(*partitions)) == 4
    ):
        for member, read in zip(members, partitions, strict=True):
            read.update(record.partition for record in member.poll(100, 50))
    for member in members:
        member.close()
    assert all(partitions)
    assert set.union(*partitions) == {0, 1, 2, 3}
