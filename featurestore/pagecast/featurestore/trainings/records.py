"""Trainings as the database tells them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

import sqlalchemy as sa

from pagecast.featurestore.trainings.orders import TrainingOrder


class TrainingState(StrEnum):
    """Where a training is in its life."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in ENDED


ENDED = (TrainingState.SUCCEEDED, TrainingState.FAILED, TrainingState.CANCELLED)


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """How far a training is. Losses are running means in nats, None before there are any.

    `share_done` is of the stage, 0 to 1. `evaluation` holds figures by name once there are some.
    """

    stage: str
    share_done: float = 0.0
    step: int = 0
    entity_loss: float | None = None
    row_loss: float | None = None
    value_loss: float | None = None
    examples_per_second: float | None = None
    eta_s: float | None = None
    evaluation: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training that was asked for.

    `asked_by` is the door it came through. `crashes` counts how often its process ended without a
    word. `version` is the model it made, `error` why it made none. `cancel_asked_at_ms` is set
    while it is still running, too.
    """

    id: int
    request_id: str
    asked_by: str
    detail: str
    order: TrainingOrder
    state: TrainingState
    asked_at_ms: int
    started_at_ms: int | None
    ended_at_ms: int | None
    cancel_asked_at_ms: int | None
    attempt: int
    crashes: int
    holder: str
    progress: TrainingProgress | None
    version: str | None
    error: str


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """What the first attempt of a training decided, and every later one works with.

    `until` is where the data end, None behind the newest event; `catalog_number` the catalog it
    learns from, None for the newest; `base_version` the model it goes on from, empty for none.
    """

    until: Mapping[tuple[str, int], int] | None
    catalog_number: int | None = None
    base_version: str = ""

    def to_json(self) -> dict[str, Any]:
        until = self.until
        ends = None if until is None else [[*key, until[key]] for key in sorted(until)]
        return {
            "until": ends,
            "catalog_number": self.catalog_number,
            "base_version": self.base_version,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        ends = told["until"]
        until = None if ends is None else {(name, part): offset for name, part, offset in ends}
        # What an older Pagecast has pinned has no number.
        number = told.get("catalog_number")
        return cls(until=until, catalog_number=number, base_version=told["base_version"])


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to run a training, until its lease ends and another takes it over."""

    id: int
    attempt: int
    request_id: str
    order: TrainingOrder


def training_of(row: sa.Row[Any]) -> Training:
    return Training(
        id=row.id,
        request_id=row.request_id,
        asked_by=row.asked_by,
        detail=row.detail,
        order=TrainingOrder.from_json(row.order),
        state=TrainingState(row.state),
        asked_at_ms=row.asked_at_ms,
        started_at_ms=row.started_at_ms,
        ended_at_ms=row.ended_at_ms,
        cancel_asked_at_ms=row.cancel_asked_at_ms,
        attempt=row.attempt,
        crashes=row.crashes,
        holder=row.holder,
        progress=None if row.progress is None else TrainingProgress(**row.progress),
        version=row.version,
        error=row.error,
    )
