"""Measures one cell: what a benchmark's process of its own does."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pagecast.trainer.benchmarks.cells import Cell, Figures
from pagecast.trainer.benchmarks.decoding import decoded
from pagecast.trainer.benchmarks.exported import exported
from pagecast.trainer.benchmarks.learning import learned
from pagecast.trainer.benchmarks.predicted import predicted
from pagecast.trainer.benchmarks.speed import in_rounds
from pagecast.trainer.benchmarks.spelled import IDS, spelled
from pagecast.trainer.benchmarks.step_cost import stepped
from pagecast.trainer.benchmarks.validated import validated
from pagecast.trainer.benchmarks.views import viewed
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.overrides import overridden

Told = Callable[[float], None]

ONE_THREAD = 1
"""A cell has one core: figures of CPU seconds are then of work, not of waiting."""

BUDGET_MINUTES = 600.0
"""Of what counts passes or steps: time does not end it."""


def measure(
    cell: Cell,
    data: Interactions,
    told: Told = lambda _: None,
    checkpoint: Path | None = None,
) -> Figures:
    """Measures a cell on data of its reading. Raises ValueError if it makes no sense.

    `checkpoint` is a folder that its training goes on from: only for tables that take one.
    """
    settings: dict[str, Any] = dict(cell.settings)
    if checkpoint is not None:
        settings["checkpoint"] = checkpoint
    overrides = settings.pop("overrides", {})
    if not isinstance(overrides, Mapping):
        raise ValueError("overrides: no mapping")
    own = TrainConfig(
        threads=ONE_THREAD, seed=cell.seed, budget_minutes=BUDGET_MINUTES, budget_clock="cpu"
    )
    config = overridden(own, overrides)
    return _MEASURES[cell.table](viewed(data, cell.view.without), config, told=told, **settings)


_MEASURES: Mapping[str, Callable[..., Figures]] = {
    "ablations": validated,
    "cost": stepped,
    "decoding": decoded,
    IDS: spelled,
    "learn": learned,
    "parity": exported,
    "quality": predicted,
    "scaling": validated,
    "throughput": in_rounds,
}
"""By table; the cell's other settings are the measurement's own."""
