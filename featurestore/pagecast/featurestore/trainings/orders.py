"""What a training may be told by whoever asks for it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self, TypeAlias

from pagecast.v1 import training_pb2

BUDGET_MINUTES_MAX = 7 * 24 * 60.0
"""A week: whoever asks for more has mistaken the unit."""

BUDGET_STEPS_MAX = 100_000_000
"""A week of steps of 6 ms each."""

HOLD_OUT_MAX = 0.9
"""A tenth of the time is the least that something can be learned from."""


class TrainingKind(StrEnum):
    """What a training starts from."""

    FULL = "full"
    INCREMENTAL = "incremental"


class Promoting(StrEnum):
    """Whether the model may become the champion without being asked for again."""

    GATE = "gate"
    NEVER = "never"


class OrderError(ValueError):
    """An order that cannot be carried out; `field` is the one to mend, `remedy` how."""

    def __init__(self, field: str, remedy: str) -> None:
        super().__init__(f"{field}: {remedy}")
        self.field, self.remedy = field, remedy


@dataclass(frozen=True, kw_only=True)
class TrainingOrder:
    """What is to be trained. Checked once, here. Raises OrderError that names field and remedy."""

    kind: TrainingKind = TrainingKind.FULL
    """Full, from nothing; or incremental: what is new since `base_version`."""
    base_version: str = ""
    """The model an incremental training goes on from; empty is the champion."""
    hold_out: float = 0.1
    """Share of the time, 0 to 0.9, that is kept from the training and evaluated on; of an
    incremental one, of the time since its base. 0 trains on everything and leaves nothing to judge
    the model by."""
    until_ms: int | None = None
    """Data end before this moment, and what comes after is evaluated on; instead of `hold_out`."""
    budget_minutes: float | None = None
    """The training loop stops here; None is the trainer's setting."""
    budget_steps: int | None = None
    """It also stops after this many steps of the optimiser; None is as many as its epochs have."""
    profile: str = ""
    """Size of the model by name; empty is the trainer's setting."""
    promoting: Promoting = Promoting.GATE
    """`gate`: the model becomes the champion if the gate lets it; `never`: it waits."""
    beside: bool = False
    """May run while another training does."""

    def __post_init__(self) -> None:
        self._check_start()
        if not 0.0 <= self.hold_out <= HOLD_OUT_MAX:
            raise OrderError("hold_out", f"is {self.hold_out}, must be 0 to {HOLD_OUT_MAX}")
        if self.until_ms is not None and self.until_ms <= 0:
            raise OrderError("until", "must be a moment after 1970")
        minutes, steps = self.budget_minutes, self.budget_steps
        if minutes is not None and not 0.0 < minutes <= BUDGET_MINUTES_MAX:
            raise OrderError(
                "budget_minutes", f"is {minutes}, must be above 0 and at most {BUDGET_MINUTES_MAX}"
            )
        if steps is not None and not 1 <= steps <= BUDGET_STEPS_MAX:
            raise OrderError("budget_steps", f"is {steps}, must be 1 to {BUDGET_STEPS_MAX}")

    def _check_start(self) -> None:
        if self.base_version and self.kind is TrainingKind.FULL:
            raise OrderError("base_version", "a full training starts from nothing: leave it empty")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Raises OrderError, and ValueError for an unknown kind or promotion."""
        kind, promoting = TrainingKind(told["kind"]), Promoting(told["promoting"])
        return cls(**{**told, "kind": kind, "promoting": promoting})


AnyRequest: TypeAlias = training_pb2.StartTrainingRequest | training_pb2.TrainingRequested
"""Asks for a training, by either of two doors; what is to be trained is told alike."""


def order_of(request: AnyRequest) -> TrainingOrder:
    """What a request asks for. Raises OrderError."""
    end = request.WhichOneof("end")
    incremental = request.kind == training_pb2.TRAINING_KIND_INCREMENTAL
    never = request.promotion == training_pb2.TRAINING_PROMOTION_NEVER
    said: dict[str, Any] = {}
    if end == "hold_out":
        said["hold_out"] = request.hold_out
    if end == "until":
        said["until_ms"] = _moment_ms(request)
    if request.HasField("budget_minutes"):
        said["budget_minutes"] = request.budget_minutes
    if request.HasField("budget_steps"):
        said["budget_steps"] = request.budget_steps
    return TrainingOrder(
        kind=TrainingKind.INCREMENTAL if incremental else TrainingKind.FULL,
        base_version=request.base_version,
        profile=request.profile,
        promoting=Promoting.NEVER if never else Promoting.GATE,
        beside=request.beside,
        **said,
    )


def _moment_ms(request: AnyRequest) -> int:
    try:
        return request.until.ToMilliseconds()
    except ValueError as error:
        raise OrderError("until", f"is no moment: {error}") from error
