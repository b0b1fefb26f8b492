"""The topics of the event log: names, partitions, and how long records are kept."""

from dataclasses import dataclass

INTERACTIONS = "pagecast.interaction.recorded.v1"
"""`InteractionEvent`, keyed by user id."""

CATALOG = "pagecast.catalog.changed.v1"
"""`CatalogChange`, keyed by entity or row id."""

PROFILES = "pagecast.profile.changed.v1"
"""`ProfileChange`, keyed by user id."""

PAGES = "pagecast.page.served.v1"
"""`PageServed`, keyed by user id."""

TRAININGS = "pagecast.training.requested.v1"
"""Requests to train a model."""

USER_PARTITIONS = 4
"""Partitions of the topics keyed by user: the number of ingest workers that can share the work.

Four times what one core of this project's reference machine needs; a larger installation creates
the topics itself with more. Never change it for a topic in use: users would move to other
partitions and the order of their events would be lost.
"""

CATALOG_PARTITIONS = 1
"""One, so that catalog changes have one order, and one consumer numbers them."""

KEPT_FOREVER_MS = -1
"""Replay and training need every event; and brokers expire by the record's own timestamp."""

DEAD_LETTERS_KEPT_MS = 30 * 24 * 60 * 60 * 1000
"""Long enough to find and mend a bad producer; personal data must not lie around for ever."""

RECORD_BYTES_MAX = 1024 * 1024
"""What Kafka takes by default. Events and changes are far smaller (`pagecast.streaming`)."""

DEAD_LETTER_BYTES_MAX = 2 * RECORD_BYTES_MAX
"""A dead letter is the whole original record and headers that say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicConfig:
    """How a topic is created where it does not exist yet."""

    name: str
    partitions: int
    retention_ms: int = KEPT_FOREVER_MS
    record_bytes_max: int = RECORD_BYTES_MAX
    compacted: bool = False
    """Only the newest record of a key need be kept."""

    def broker_settings(self) -> dict[str, str]:
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.record_bytes_max),
        }


def dead_letter(topic: str) -> str:
    """The topic for records of `topic` that could not be understood."""
    return f"{topic}-dlt"


def _with_dead_letters(topic: TopicConfig) -> tuple[TopicConfig, TopicConfig]:
    letters = TopicConfig(
        name=dead_letter(topic.name),
        partitions=1,
        retention_ms=DEAD_LETTERS_KEPT_MS,
        record_bytes_max=DEAD_LETTER_BYTES_MAX,
    )
    return topic, letters


TOPICS: tuple[TopicConfig, ...] = (
    *_with_dead_letters(TopicConfig(name=INTERACTIONS, partitions=USER_PARTITIONS)),
    *_with_dead_letters(TopicConfig(name=CATALOG, partitions=CATALOG_PARTITIONS, compacted=True)),
    *_with_dead_letters(TopicConfig(name=PROFILES, partitions=USER_PARTITIONS, compacted=True)),
    *_with_dead_letters(TopicConfig(name=PAGES, partitions=USER_PARTITIONS)),
    *_with_dead_letters(TopicConfig(name=TRAININGS, partitions=1)),
)
"""Every topic of the platform."""
