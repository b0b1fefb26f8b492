"""What an evaluation tells of whole pages, and its JSON."""

from dataclasses import dataclass

from pydantic import JsonValue

from pagecast.trainer.evaluation.figures.calibration import Calibration
from pagecast.trainer.evaluation.figures.intervals import Interval


@dataclass(frozen=True, kw_only=True)
class PageFigures:
    """Means over pages. docs/evaluation.md defines each.

    `calibration` is None for pages whose probabilities mean nothing.
    """

    pages: int
    row_hit_rate: float
    row_hit_rate_interval: Interval
    page_hit_rate: float
    viewport_gain: float
    viewport_gain_interval: Interval
    coverage: float
    diversity: float
    rules_kept: float
    broken: tuple[str, ...]
    calibration: Calibration | None

    def to_json(self) -> dict[str, JsonValue]:
        rows, gain = self.row_hit_rate_interval, self.viewport_gain_interval
        return {
            "pages": self.pages,
            "row_hit_rate": self.row_hit_rate,
            "row_hit_rate_interval": [rows.low, rows.high],
            "page_hit_rate": self.page_hit_rate,
            "viewport_gain": self.viewport_gain,
            "viewport_gain_interval": [gain.low, gain.high],
            "coverage": self.coverage,
            "diversity": self.diversity,
            "rules_kept": self.rules_kept,
            "broken": list(self.broken),
            "calibration": None if self.calibration is None else self.calibration.to_json(),
        }
