"""Figures of ours beside others of the same run, and whether they reach their goal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from statistics import median
from typing import Any, Self


class Better(Enum):
    """Which way a figure is good."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    """The figure, with its unit."""
    beside: str
    """What it is compared with; empty if it is not."""
    ours: float
    theirs: float | None = None
    ratio: float | None = None
    """Ours by theirs."""
    reach: float | None = None
    """What the ratio should reach; None if no goal was set."""
    reached: bool | None = None

    @classmethod
    def alone(cls, what: str, ours: float) -> Self:
        return cls(what=what, beside="", ours=ours)

    @classmethod
    def compared(
        cls,
        what: str,
        beside: str,
        ours: float,
        theirs: float,
        *,
        ratio: float | None = None,
        reach: float | None = None,
        better: Better = Better.HIGHER,
    ) -> Self:
        """`ratio` is the figures' own unless it was measured round by round."""
        ratio = ours / theirs if ratio is None else ratio
        reached = None
        if reach is not None:
            reached = ratio >= reach if better is Better.HIGHER else ratio <= reach
        return cls(
            what=what,
            beside=beside,
            ours=ours,
            theirs=theirs,
            ratio=ratio,
            reach=reach,
            reached=reached,
        )

    @classmethod
    def of_rounds(
        cls,
        what: str,
        beside: str,
        ours: Sequence[float],
        theirs: Sequence[float],
        *,
        reach: float | None = None,
    ) -> Self:
        """Medians; the ratio is the median over rounds, which a busy machine disturbs least."""
        ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        return cls.compared(
            what, beside, median(ours), median(theirs), ratio=median(ratios), reach=reach
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def shown(value: float | None) -> str:
    """Three significant figures or whole numbers, for people."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
