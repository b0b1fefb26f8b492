"""Slice after slice, on histories of a few people, with a model that takes milliseconds."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
from pydantic import JsonValue
from trainer.factories_trainer import SMALL

from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.trainer.benchmarks.cells import Cell
from pagecast.trainer.benchmarks.learning import (
    FULL,
    NEVER,
    NEW_ENTITIES,
    incremental_name,
)
from pagecast.trainer.benchmarks.made_up import made_up
from pagecast.trainer.benchmarks.measure import measure
from pagecast.trainer.evaluation.protocols.interactions import Interactions

SHAPE: Mapping[str, JsonValue] = {
    **{f"model.{name}": value for name, value in vars(SMALL.model).items()},
    "epochs": 1e-3,
    "incremental.epochs": 1e-3,
    "positions_per_batch": 512,
}
"""One step of a model that is hardly one."""

INCREMENTAL = [incremental_name(name) for name in NEW_ENTITIES]


@cache
def data() -> Interactions:
    return made_up(DEFAULT_FOLD, users=16, entities=80)


def cell(slices: int = 3, begin: float = 0.7) -> Cell:
    settings: dict[str, JsonValue] = {"slices": slices, "begin": begin, "overrides": dict(SHAPE)}
    return Cell(table="learn", name="any", settings=settings)


def test_every_strategy_has_a_figure_for_every_slice_and_its_cost() -> None:
    figures = measure(cell(), data())
    for strategy in (NEVER, FULL, *INCREMENTAL):
        for figure in ("ndcg_at_10", "new_ndcg_at_10"):
            assert len(np.atleast_1d(figures[f"{figure}, {strategy}"])) == 2
        assert len(np.atleast_1d(figures[f"old_ndcg_at_10, {strategy}"])) == 1
    for strategy in (FULL, *INCREMENTAL):
        assert len(np.atleast_1d(figures[f"cpu_seconds, {strategy}"])) == 2
    assert f"cpu_seconds, {NEVER}" not in figures, "it costs nothing"
    targets = np.atleast_1d(figures["targets"]).sum()
    assert targets == pytest.approx(0.2 * len(data()), abs=2)


@pytest.mark.parametrize(("slices", "begin"), [(1, 0.7), (3, 0.0), (3, 1.0)])
def test_what_makes_no_sense_is_refused(slices: int, begin: float) -> None:
    with pytest.raises(ValueError, match="slices must be 2 at least"):
        measure(cell(slices, begin), data())
