"""What confluent-kafka raises, as the errors of this package."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from pagecast.eventlog.errors import BrokerUnavailable, EventLogError, Fenced

FENCED = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._STATE,
        KafkaError._FENCED,
    }
)

AWAY = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._RESOLVE,
        KafkaError._WAIT_COORD,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""What passes by itself. Whether a topic is gone is found out by asking for its id."""

TRUNCATED = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})


@contextmanager
def client_errors(doing: str) -> Iterator[None]:
    """Turns what confluent-kafka raises into the errors of this package."""
    try:
        yield
    except KafkaException as error:
        cause = error.args[0]
        if cause.code() in FENCED:
            raise Fenced(f"{doing}: the group gave the partitions to another member") from error
        if cause.code() in AWAY or cause.retriable():
            raise BrokerUnavailable(f"{doing}: {cause.str()}") from error
        raise EventLogError(f"{doing}: {cause.str()}") from error
