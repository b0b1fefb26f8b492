"""How fast a training is, and how far its losses have come down."""

import math
from collections.abc import Mapping

from pagecast.trainer.batches.batch import PackedBatch
from pagecast.trainer.pages.constructed import Origin

LOSS_SMOOTHING = 0.98
"""Share of the old value in the running mean of a reported loss."""

KINDS = (*(f"{origin}_pages" for origin in Origin), "openings")
"""`CutPage.kind`: pages by where they come from are counted apart."""

COUNTED = ("examples", "positions", "tokens", *KINDS)


def counts(batch: PackedBatch | None) -> dict[str, float]:
    """What a batch adds to a meter: predictions, positions, those that are not padding, pages."""
    if batch is None:
        return dict.fromkeys(COUNTED, 0.0)
    predictions = len(batch.history.at_J) + len(batch.pages.at_J) + len(batch.row_from_M)
    return {
        "examples": float(predictions),
        "positions": float(batch.page_BL.size),
        "tokens": float(batch.tokens),
        **{kind: float(batch.kinds.get(kind, 0)) for kind in KINDS},
    }


class Meter:
    """Running means and totals since the first step; losses in nats, NaN before it."""

    def __init__(self) -> None:
        self.totals = {
            **dict.fromkeys(COUNTED, 0.0),
            "entity_loss": math.nan,
            "row_loss": math.nan,
            "value_loss": math.nan,
        }

    @property
    def entity_loss(self) -> float:
        return self.totals["entity_loss"]

    @property
    def row_loss(self) -> float:
        return self.totals["row_loss"]

    @property
    def value_loss(self) -> float:
        """Post-training's, of entities."""
        return self.totals["value_loss"]

    @property
    def kinds(self) -> dict[str, int]:
        """Pages trained on, by kind; one that is drawn again counts again."""
        return {kind: int(self.totals[kind]) for kind in KINDS}

    @property
    def padding(self) -> float:
        """Share of positions that are padding, 0 to 1."""
        return 1.0 - self.totals["tokens"] / max(self.totals["positions"], 1.0)

    def per_second(self, name: str, seconds: float) -> float:
        return self.totals[name] / max(seconds, 1e-9)

    def read(self, counted: Mapping[str, float], **losses: float) -> None:
        """Takes a step in: pretraining's `entity_loss` and `row_loss`, or a `value_loss`."""
        for name, count in counted.items():
            self.totals[name] += count
        for name, loss in losses.items():
            self._smooth(name, loss)

    def _smooth(self, name: str, value: float) -> None:
        mean = self.totals[name]
        smoothed = LOSS_SMOOTHING * mean + (1.0 - LOSS_SMOOTHING) * value
        self.totals[name] = value if math.isnan(mean) else smoothed
