"""What the gate says of a model, as the registry keeps it and the front doors tell it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One thing that is asked of a challenger; `told` gives the figures, for people."""

    name: str
    passed: bool
    told: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """On a version. `champion` is what it was compared with, None if nothing served then."""

    champion: str | None
    judged_at_ms: int
    criteria: tuple[Criterion, ...]

    @property
    def passed(self) -> bool:
        """Whether every criterion is met."""
        return all(criterion.passed for criterion in self.criteria)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        return cls(
            champion=told["champion"],
            judged_at_ms=told["judged_at_ms"],
            criteria=tuple(Criterion(**criterion) for criterion in told["criteria"]),
        )
