"""Contenders in one process: the same members, the same luck, the same rules as served pages."""

import pytest

from pagecast.cli.bench.align.cells import align_cells, measure_cell
from pagecast.cli.bench.align.command import lifts_of
from pagecast.cli.bench.align.contenders import BASELINE
from pagecast.cli.bench.align.coverage import coverage
from pagecast.cli.bench.align.data import ArenaData, of_interactions
from pagecast.featurestore.fold import DEFAULT_FOLD
from pagecast.trainer.benchmarks.made_up import made_up


@pytest.fixture(scope="module")
def data() -> ArenaData:
    return of_interactions(made_up(DEFAULT_FOLD, users=12, entities=60))


def test_every_contender_meets_the_same_members_and_repeats_itself(data: ArenaData) -> None:
    cells = align_cells([BASELINE, "popularity"], [1], members=6, days=2, passes=0.1)
    figures = [measure_cell(cell, data) for cell in cells]
    assert all(len(one["sessions"]) == 6 for one in figures)  # type: ignore[arg-type]
    assert all(sum(one["pages"]) > 0 for one in figures)  # type: ignore[arg-type]
    assert figures[1] == measure_cell(cells[1], data)
    lifts = lifts_of(list(zip(cells, figures, strict=True)))
    assert [(one.contender, one.beside, one.metric) for one in lifts] == [
        ("popularity", BASELINE, metric) for metric in ("reward", "clicks", "completed")
    ]


def test_a_contender_that_is_none_is_told_by_name() -> None:
    with pytest.raises(ValueError, match="contenders: 'ours' is none of multi-stage, generative"):
        align_cells(["ours"], [0], members=1, days=1, passes=1.0)


def test_estimates_near_the_drawing_policy_hold_the_truth() -> None:
    near = coverage(runs=20, distances=(0.2,))
    assert [one.estimator for one in near] == ["ips", "snips", "dr"]
    assert all(one.inside >= 0.8 and one.warned == 0.0 for one in near)
