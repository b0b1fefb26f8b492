"""Which Kafka client reads the event log: the one place that chooses."""

from collections.abc import Collection
from enum import StrEnum

from pagecast.eventlog.bootstrap import Bootstrap, SecuredKafka
from pagecast.eventlog.consumer import SESSION_TIMEOUT_MS, EventConsumer
from pagecast.eventlog.errors import EventLogError


class KafkaClient(StrEnum):
    """The clients to choose from; they do the same."""

    KAFKA_PYTHON = "kafka-python"
    """Pure Python: installs everywhere."""
    CONFLUENT = "confluent"
    """librdkafka. It is not shipped: it makes the whole job less than 1.5 times as fast
    (benchmarks/ingest.md)."""


def open_consumer(
    bootstrap: Bootstrap,
    group: str | None,
    topics: Collection[str],
    *,
    session_timeout_ms: int = SESSION_TIMEOUT_MS,
    client: KafkaClient = KafkaClient.KAFKA_PYTHON,
) -> EventConsumer:
    """A consumer on this client. Raises what `EventConsumer` does.

    EventLogError if the client is not installed, or cannot log in.
    """
    if client is KafkaClient.CONFLUENT and isinstance(bootstrap, SecuredKafka):
        raise EventLogError("the client confluent knows no [kafka] settings: choose kafka-python")
    kind = _fast_consumer() if client is KafkaClient.CONFLUENT else EventConsumer
    return kind(bootstrap, group, topics, session_timeout_ms=session_timeout_ms)


def _fast_consumer() -> type[EventConsumer]:
    try:
        from pagecast.eventlog.fast import FastConsumer
    except ImportError as error:
        raise EventLogError(
            "confluent-kafka is not installed: pip install confluent-kafka, or choose the client "
            "kafka-python"
        ) from error
    return FastConsumer
