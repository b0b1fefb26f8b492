"""How fast a training is, and how far its losses have come down."""

import math
from collections.abc import Mapping

from pagecast.trainer.batch import PackedBatch

LOSS_SMOOTHING = 0.98
"""Share of the old in the running mean of a loss that is reported."""


def counts(batch: PackedBatch | None) -> dict[str, float]:
    """What a batch adds to a meter: predictions, positions, and those that are not padding."""
    if batch is None:
        return {"examples": 0.0, "positions": 0.0, "tokens": 0.0}
    predictions = len(batch.history.at_J) + len(batch.pages.at_J) + len(batch.row_from_M)
    return {
        "examples": float(predictions),
        "positions": float(batch.page_BL.size),
        "tokens": float(batch.tokens),
    }


class Meter:
    """Running means and totals since the first step; losses in nats, NaN before it."""

    def __init__(self) -> None:
        self.totals = {
            "examples": 0.0,
            "positions": 0.0,
            "tokens": 0.0,
            "entity_loss": math.nan,
            "row_loss": math.nan,
        }

    @property
    def entity_loss(self) -> float:
        return self.totals["entity_loss"]

    @property
    def row_loss(self) -> float:
        return self.totals["row_loss"]

    @property
    def padding(self) -> float:
        """Share of positions that are padding, 0 to 1."""
        return 1.0 - self.totals["tokens"] / max(self.totals["positions"], 1.0)

    def per_second(self, name: str, seconds: float) -> float:
        return self.totals[name] / max(seconds, 1e-9)

    def read(self, counted: Mapping[str, float], *, entity_loss: float, row_loss: float) -> None:
        """Takes a step in."""
        for name, count in counted.items():
            self.totals[name] += count
        self._smooth("entity_loss", entity_loss)
        self._smooth("row_loss", row_loss)

    def _smooth(self, name: str, value: float) -> None:
        mean = self.totals[name]
        smoothed = LOSS_SMOOTHING * mean + (1.0 - LOSS_SMOOTHING) * value
        self.totals[name] = value if math.isnan(mean) else smoothed
