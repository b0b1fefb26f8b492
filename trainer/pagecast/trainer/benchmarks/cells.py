"""A cell: what is measured by itself, in a process of its own, and kept once it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue, TypeAdapter

from pagecast.featurestore.history.fold import DEFAULT_FOLD, FoldConfig
from pagecast.trainer.config import EngagementConfig

Figures = Mapping[str, float | Sequence[float]]
"""By name; a sequence is of rounds."""

UNMERGED = EngagementConfig(rate=0.0)
"""Of a view that is not merged."""


@dataclass(frozen=True, kw_only=True)
class DataView:
    """What of a data set a cell is given; all of it by default."""

    steps_max: int = DEFAULT_FOLD.steps_max
    """Steps of a history's window."""
    merged: bool = True
    """Whether neighbouring events of one entity share a step. If not, a rating is a step behind
    its play's, and the play alone is an interaction: else a rating is asked for right after its
    play."""
    without: tuple[str, ...] = ()
    """Of `views.LEFT_OUT`: what the model must do without."""

    @property
    def reading(self) -> "DataView":
        """What has to be read alike: views with the same are of one reading of the data."""
        return replace(self, without=())

    def fold(self) -> FoldConfig:
        """How events become steps for this view."""
        together = min(DEFAULT_FOLD.evicted_together, max(1, self.steps_max // 4))
        gaps = DEFAULT_FOLD.merge_gap_ms if self.merged else {}
        return FoldConfig(steps_max=self.steps_max, evicted_together=together, merge_gap_ms=gaps)

    def engagement(self) -> EngagementConfig:
        """Which steps are interactions; the training's config has to say the same."""
        return EngagementConfig() if self.merged else UNMERGED


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is measured; all of it JSON, so that a file can tell whether it is done."""

    table: str
    name: str
    """Of the table's cells; those of one name differ by their seed."""
    view: DataView = field(default_factory=DataView)
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the table's measurement takes (`measure`)."""
    seed: int = 0

    def to_json(self) -> dict[str, JsonValue]:
        told: dict[str, JsonValue] = _CELL.dump_python(self, mode="json")
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, JsonValue]) -> "Cell":
        return _CELL.validate_python(dict(told))


_CELL = TypeAdapter(Cell)
