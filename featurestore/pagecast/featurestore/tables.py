"""The tables of the database: catalog, popularity, model registry, erasures, training requests, and
how far each log was read.

`migrations/` must say the same; a test compares them.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID_CHARACTERS_MAX = 256
"""The protos bound ids to 256 bytes, so to at most as many characters."""

VERSION_CHARACTERS_MAX = 64
"""A model version is 16 hexadecimal digits; somebody else's may be a whole SHA-256."""

NOTE_CHARACTERS_MAX = 1024
"""Why an alias was moved, in somebody's words; as long as the detail of a training request."""

ERROR_CHARACTERS_MAX = 2048
"""Why a training failed: a message, not a log, whose path it names."""

HASH_CHARACTERS = 64
"""A SHA-256 in hexadecimal digits."""

DETAIL_CHARACTERS_MAX = 1024
"""The protos bound the detail of a training request to as many bytes."""


class Base(DeclarativeBase):
    """All tables of one database."""


class LogPositionRow(Base):
    """A consumer's next offset, written in the transaction of its effect."""

    __tablename__ = "log_positions"

    consumer: Mapped[str] = mapped_column(String(32), primary_key=True)
    topic_id: Mapped[str] = mapped_column(String(ID_CHARACTERS_MAX), primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    next_offset: Mapped[int] = mapped_column(BigInteger)


class CatalogVersionRow(Base):
    """One version of an entity or a row, in force for numbers in [valid_from, valid_to)."""

    __tablename__ = "catalog_versions"
    __table_args__ = (
        Index("catalog_versions_item", "kind", "item_id", "valid_to"),
        Index("catalog_versions_index", "kind", "item_index"),
        Index("catalog_versions_valid_to", "valid_to"),
    )

    valid_from: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    valid_to: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(8))
    item_id: Mapped[str] = mapped_column(String(ID_CHARACTERS_MAX))
    item_index: Mapped[int]
    changed_at_ms: Mapped[int] = mapped_column(BigInteger)
    retired: Mapped[bool]
    payload: Mapped[bytes] = mapped_column(LargeBinary)


class PopularityRow(Base):
    """A time-decayed count: `score` as of `at_ms`."""

    __tablename__ = "popularity"

    entity_id: Mapped[str] = mapped_column(String(ID_CHARACTERS_MAX), primary_key=True)
    score: Mapped[float] = mapped_column(Double)
    at_ms: Mapped[int] = mapped_column(BigInteger)


class ModelRow(Base):
    """A registered bundle; `id` is the order of registration.

    `verdict` is the gate's, if it was asked; `freed_at_ms` when the bundle was removed, if it was.
    """

    __tablename__ = "models"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(String(VERSION_CHARACTERS_MAX), unique=True)
    parent_version: Mapped[str | None] = mapped_column(String(VERSION_CHARACTERS_MAX))
    created_at_ms: Mapped[int] = mapped_column(BigInteger)
    metrics: Mapped[dict[str, float]] = mapped_column(JSON)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    code_version: Mapped[str] = mapped_column(String(VERSION_CHARACTERS_MAX))
    config: Mapped[dict[str, Any]] = mapped_column(JSON)
    verdict: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    freed_at_ms: Mapped[int | None] = mapped_column(BigInteger)


class AliasMoveRow(Base):
    """One move of an alias, kept for ever.

    `predecessor_id` is the promotion that a rollback of this one returns to.
    """

    __tablename__ = "alias_moves"

    id: Mapped[int] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(String(32), index=True)
    version: Mapped[str | None] = mapped_column(ForeignKey("models.version"))
    moved_at_ms: Mapped[int] = mapped_column(BigInteger)
    moved_by: Mapped[str] = mapped_column(String(ID_CHARACTERS_MAX))
    reason: Mapped[str] = mapped_column(String(16))
    predecessor_id: Mapped[int | None] = mapped_column(ForeignKey("alias_moves.id"))
    forced: Mapped[bool]
    note: Mapped[str] = mapped_column(String(NOTE_CHARACTERS_MAX))


class AliasRow(Base):
    """Where an alias points now, and the move that a rollback would undo."""

    __tablename__ = "aliases"

    alias: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[str] = mapped_column(ForeignKey("models.version"))
    move_id: Mapped[int] = mapped_column(ForeignKey("alias_moves.id"))


class SecretRow(Base):
    """Random bytes made once for a database; they never leave it."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)


class ErasureRow(Base):
    """An erasure of everything before `next_offset`; the user is a salted hash.

    `id` grows in the order of commits. A receipt comes again with another topic id when a log was
    restored under a new one.
    """

    __tablename__ = "erasures"
    __table_args__ = (UniqueConstraint("receipt_id", "topic_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    receipt_id: Mapped[str] = mapped_column(String(ID_CHARACTERS_MAX))
    user_hash: Mapped[str] = mapped_column(String(HASH_CHARACTERS), index=True)
    topic_id: Mapped[str] = mapped_column(String(ID_CHARACTERS_MAX))
    partition: Mapped[int]
    next_offset: Mapped[int] = mapped_column(BigInteger)
    requested_at_ms: Mapped[int] = mapped_column(BigInteger)
    completed_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    rows_erased: Mapped[int] = mapped_column(BigInteger)


class TriggerRow(Base):
    """What one trigger has counted since the last request; `figures` is the trigger's own."""

    __tablename__ = "triggers"

    trigger: Mapped[str] = mapped_column(String(16), primary_key=True)
    since_ms: Mapped[int] = mapped_column(BigInteger)
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)


class TrainingRequestRow(Base):
    """A request to train, made in the transaction of what set it off."""

    __tablename__ = "training_requests"

    request_id: Mapped[str] = mapped_column(String(ID_CHARACTERS_MAX), primary_key=True)
    trigger: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(String(DETAIL_CHARACTERS_MAX))
    occurred_at_ms: Mapped[int] = mapped_column(BigInteger, index=True)
    published_at_ms: Mapped[int | None] = mapped_column(BigInteger)


class TrainingRow(Base):
    """A training that was asked for, and how far it is; `id` is the order of asking.

    `attempt` grows with every claim: a write with an older one is refused. The lease says until
    when the holder is believed to live or, of a training that waits, before when nobody may take it
    up. `pinned` is what the first attempt has decided for all that follow.
    """

    __tablename__ = "trainings"
    __table_args__ = (Index("trainings_state", "state", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(String(ID_CHARACTERS_MAX), unique=True)
    asked_by: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(String(DETAIL_CHARACTERS_MAX))
    order: Mapped[dict[str, Any]] = mapped_column(JSON)
    beside: Mapped[bool]
    state: Mapped[str] = mapped_column(String(16))
    asked_at_ms: Mapped[int] = mapped_column(BigInteger)
    started_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    ended_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    cancel_asked_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    attempt: Mapped[int]
    crashes: Mapped[int]
    holder: Mapped[str] = mapped_column(String(ID_CHARACTERS_MAX))
    lease_until_ms: Mapped[int | None] = mapped_column(BigInteger)
    pinned: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    version: Mapped[str | None] = mapped_column(String(VERSION_CHARACTERS_MAX))
    error: Mapped[str] = mapped_column(String(ERROR_CHARACTERS_MAX))


class DeadLetterReplayRow(Base):
    """A refused record, by its place in the topic it came from, that was sent there again.

    Not by the letter's own place: a record may have several letters. Claimed before it is sent, so
    that two replays do not send it at once; `replayed_at_ms` is set once it is acknowledged.
    """

    __tablename__ = "dead_letter_replays"

    topic_id: Mapped[str] = mapped_column(String(ID_CHARACTERS_MAX), primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offset: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    claimed_at_ms: Mapped[int] = mapped_column(BigInteger)
    replayed_at_ms: Mapped[int | None] = mapped_column(BigInteger)
