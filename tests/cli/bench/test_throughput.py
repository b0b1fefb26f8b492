"""Which systems have to be warmed up."""

from pagecast.cli.bench.systems import worker
from pagecast.cli.bench.throughput import Part, warm_states
from pagecast.eventlog.clients import KafkaClient


def test_systems_that_share_a_state_are_warmed_once_by_the_first() -> None:
    systems = [
        worker("worker", "kafka-python"),
        worker("confluent", "confluent", client=KafkaClient.CONFLUENT),
        worker("sqlite", "SQLite", valkey=False),
    ]
    assert [system.name for system in warm_states(systems)] == ["worker", "sqlite"]


def test_a_part_of_the_topic_is_as_long_as_its_partitions() -> None:
    assert Part(begin={0: 10, 1: 0}, end={0: 15, 1: 3}).events == 8
