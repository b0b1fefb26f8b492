"""Topics and groups as the broker sees them.

A log is identified by its topic id (a UUID, Kafka 2.8 or newer), which a broker makes with the
topic. A topic that was deleted and created again has a new one. So has every topic of the embedded
broker after a restart, because it keeps nothing and the topics are created again; its cluster id,
`tansu_cluster`, stays the same and identifies nothing.
"""

from collections.abc import Collection, Iterable
from types import TracebackType
from typing import Any, Self

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError, for_code

from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.connection import (
    CONNECT_TIMEOUT_S,
    client_settings,
    kafka_errors,
    wait_until_reachable,
)
from pagecast.eventlog.errors import EventLogError, TopicMissing
from pagecast.eventlog.topics import TOPICS, TopicConfig

BROKER_DEFAULT = -1
"""Lets the broker choose the replication factor: three in production, one on a laptop."""


class Admin:
    """A connection for questions about topics and groups. Not for use by several threads.

    Every method raises BrokerUnavailable if no broker answers in time.
    """

    def __init__(self, bootstrap: Bootstrap, *, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        wait_until_reachable(bootstrap, timeout_s)
        with kafka_errors(f"connecting to {bootstrap}"):
            self._client = KafkaAdminClient(**client_settings(bootstrap, timeout_s))

    def create_missing(self, topics: Iterable[TopicConfig]) -> None:
        """Creates the topics that do not exist, and waits until the brokers know them all."""
        wanted = {topic.name: topic for topic in topics}
        missing = wanted.keys() - self.topic_ids().keys()
        if not missing:
            return
        request = {
            name: {
                "num_partitions": wanted[name].partitions,
                "replication_factor": BROKER_DEFAULT,
                "configs": wanted[name].broker_settings(),
            }
            for name in sorted(missing)
        }
        with kafka_errors("creating topics"):
            answer = self._client.create_topics(request, raise_errors=False)
            for topic in answer["topics"]:
                error = for_code(topic["error_code"])
                # Another process may create the same topics at the same time.
                if topic["error_code"] and error is not TopicAlreadyExistsError:
                    raise EventLogError(
                        f"topic {topic['name']} cannot be created: {error.__name__} "
                        f"{topic['error_message'] or ''}"
                    )
            self._client.wait_for_topics(sorted(missing))

    def topic_ids(self) -> dict[str, str]:
        """The id of every topic there is, by name."""
        return {name: topic["id"] for name, topic in self._describe(None).items()}

    def ids_of(self, topics: Collection[str]) -> dict[str, str]:
        """The ids of these topics. Raises TopicMissing."""
        found = self._describe(sorted(topics))
        _require(topics, found)
        return {name: topic["id"] for name, topic in found.items()}

    def partitions_of(self, topics: Collection[str]) -> dict[str, int]:
        """The number of partitions of these topics. Raises TopicMissing."""
        found = self._describe(sorted(topics))
        _require(topics, found)
        return {name: topic["partitions"] for name, topic in found.items()}

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """The next offset the group will read, by (topic, partition); empty if unknown."""
        with kafka_errors(f"reading the offsets of group {group}"):
            offsets = self._client.list_group_offsets(group).get(group, {})
        return {
            (at.topic, at.partition): position.offset
            for at, position in offsets.items()
            if isinstance(at, TopicPartition) and position.offset >= 0
        }

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _describe(self, names: list[str] | None) -> dict[str, dict[str, Any]]:
        with kafka_errors("reading the topics"):
            topics = self._client.describe_topics(names)
        return {
            topic["name"]: {"id": _id_of(topic), "partitions": len(topic["partitions"])}
            for topic in topics
            if topic["error_code"] == 0
        }


def ensure_topics(bootstrap: Bootstrap, topics: Iterable[TopicConfig] = TOPICS) -> None:
    """Creates every topic of the platform that does not exist; leaves the others as they are.

    Raises BrokerUnavailable, or EventLogError if the broker refuses.
    """
    with Admin(bootstrap) as admin:
        admin.create_missing(topics)


def topic_ids(bootstrap: Bootstrap, *, timeout_s: float = CONNECT_TIMEOUT_S) -> dict[str, str]:
    """The id of every topic, by name: what identifies a log. Raises BrokerUnavailable."""
    with Admin(bootstrap, timeout_s=timeout_s) as admin:
        return admin.topic_ids()


def _id_of(topic: dict[str, Any]) -> str:
    if topic["topic_id"] is None:
        raise EventLogError("the broker gives topics no ids: Kafka 2.8 or newer is needed")
    return str(topic["topic_id"])


def _require(wanted: Collection[str], found: Collection[str]) -> None:
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise TopicMissing(
            f"the broker does not have {', '.join(missing)}: create the topics "
            "(pagecast.eventlog.admin.ensure_topics)"
        )
