"""The topic that every system of the benchmark reads, and where each begins."""

from collections.abc import Callable, Mapping

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from pagecast.cli.bench.events import EventsConfig, make_events
from pagecast.eventlog.connection import client_settings
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import INTERACTIONS, USER_PARTITIONS

Offsets = dict[int, int]
"""Next offset by partition of the interaction topic."""

PRODUCED_PER_LOOK = 1_000


def fill(bootstrap: str, config: EventsConfig, on_produced: Callable[[int], None]) -> Offsets:
    """Produces the events; returns where they end. `on_produced` takes how many were added."""
    with EventProducer(bootstrap, source="pagecast/bench") as producer:
        for number, event in enumerate(make_events(config), start=1):
            producer.send(INTERACTIONS, event.user_id, event)
            if number % PRODUCED_PER_LOOK == 0:
                on_produced(PRODUCED_PER_LOOK)
        producer.flush()
        acknowledged = producer.acknowledged
    return {p: acknowledged.get((INTERACTIONS, p), 0) for p in range(USER_PARTITIONS)}


def begin_at(bootstrap: str, group: str, offsets: Mapping[int, int]) -> None:
    """Makes a group without running members begin at these offsets."""
    consumer = KafkaConsumer(**client_settings(bootstrap), group_id=group, enable_auto_commit=False)
    places = {TopicPartition(INTERACTIONS, partition): at for partition, at in offsets.items()}
    consumer.assign(list(places))
    consumer.commit({place: OffsetAndMetadata(at, "", -1) for place, at in places.items()})
    consumer.close(autocommit=False, timeout_ms=1000)
