"""What `pagecast bench learn` measures: a cell per seed, whose strategies share a first model.

So they are compared on the same weights, and the first model is trained only once.
"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from pagecast.trainer.benchmarks.cells import Cell

SLICES, BEGIN = 4, 0.8
"""Slices after the share that the first model learns from. The last is only evaluated on, so each
strategy is trained three times, on a twentieth more each time."""

QUICK_SLICES, QUICK_PASSES = 2, 0.2


def learn_cells(
    seeds: Sequence[int], passes: float | None, slices: int, begin: float
) -> list[Cell]:
    """`passes` are of full runs; None is the trainer's default. Raises ValueError."""
    if slices < 2:
        raise ValueError("slices: give 2 at least; the last is evaluated on and not trained on")
    if not 0.0 < begin < 1.0:
        raise ValueError("begin: give a share between 0 and 1")
    overrides: Mapping[str, JsonValue] = {} if passes is None else {"epochs": passes}
    return [
        Cell(
            table="learn",
            name="prequential",
            settings={"slices": slices, "begin": begin, "overrides": dict(overrides)},
            seed=seed,
        )
        for seed in seeds
    ]
