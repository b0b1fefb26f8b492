"""Brokers for tests: a fresh embedded one, or the real Kafka that KAFKA_BOOTSTRAP names."""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka.admin import KafkaAdminClient

from pagecast.eventlog.admin import Admin, ensure_topics
from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.eventlog.consumer import EventConsumer
from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import TOPICS

EXTERNAL = os.environ.get("KAFKA_BOOTSTRAP", "")

SESSION_TIMEOUT_MS = 6_000 if EXTERNAL else 1_500
"""Kafka allows no less than 6 s; the embedded broker lets a member wait for half of it."""


@contextmanager
def event_log(tmp_path: Path) -> Iterator[str]:
    """Bootstrap servers of a broker with empty topics. An external one is emptied first."""
    if EXTERNAL:
        _delete_topics(EXTERNAL)
        ensure_topics(EXTERNAL)
        yield EXTERNAL
        return
    with EmbeddedBroker(log=tmp_path / "broker.log") as broker:
        ensure_topics(broker.bootstrap_servers)
        yield broker.bootstrap_servers


def read_all(bootstrap: str, topic: str, count: int, timeout_s: float = 10.0) -> list[Record]:
    """Reads a topic from its beginning until there are `count` records, and a little longer."""
    records: list[Record] = []
    deadline = time.monotonic() + timeout_s
    with EventConsumer(bootstrap, None, [topic]) as consumer:
        while len(records) < count and time.monotonic() < deadline:
            records += consumer.poll(1000, 100)
        records += consumer.poll(1000, 100)
    return records


def poll_until(consumer: EventConsumer, count: int, timeout_s: float = 15.0) -> list[Record]:
    """Polls until there are `count` records or the time is over."""
    records: list[Record] = []
    deadline = time.monotonic() + timeout_s
    while len(records) < count and time.monotonic() < deadline:
        records += consumer.poll(1000, 100)
    return records


def _delete_topics(bootstrap: str) -> None:
    names: Collection[str] = {topic.name for topic in TOPICS}
    with Admin(bootstrap) as admin:
        present = sorted(names & admin.topic_ids().keys())
    if not present:
        return
    client = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    client.delete_topics(present)
    client.close()
    time.sleep(2.0)
