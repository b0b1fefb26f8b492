"""Contenders in one process: the same members, the same luck, the same rules as served pages."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from cli.bench.align.factories_arena import EFFORT, arena

from pagecast.cli.bench.align.cells import Measuring, aligned_cells, visit_cells
from pagecast.cli.bench.align.comparisons import COMPARISONS, CONTENDERS_TABLE, own_lifts
from pagecast.cli.bench.align.contenders import BASELINE, GENERATIVE, LOGGED_WBC
from pagecast.cli.bench.align.coverage import coverage
from pagecast.cli.bench.align.own_reward import BY_PAGE, DISTANCE, JUDGED, TRUE
from pagecast.trainer.benchmarks.cells import Figures


def members(figures: Figures, name: str) -> Sequence[float]:
    values = figures[name]
    assert not isinstance(values, float)
    return values


def test_every_contender_meets_the_same_members_and_repeats_itself() -> None:
    cells = visit_cells([BASELINE, "popularity"], [1], EFFORT)
    with Measuring(arena(), EFFORT) as measuring:
        figures = [measuring.measure(cell) for cell in cells]
    with Measuring(arena(), EFFORT) as measuring:
        assert measuring.measure(cells[1]) == figures[1]
    assert all(len(members(one, "sessions")) == EFFORT.members for one in figures)
    assert all(sum(members(one, "pages")) > 0 for one in figures)
    lifts = COMPARISONS[CONTENDERS_TABLE].lifts(list(zip(cells, figures, strict=True)))
    assert [(one.contender, one.beside, one.metric) for one in lifts] == [
        ("popularity", BASELINE, metric) for metric in ("reward", "clicks", "completed")
    ]


@pytest.mark.faults
def test_aligned_contenders_are_told_their_own_reward_beside_the_truth() -> None:
    names = (GENERATIVE, LOGGED_WBC, "dr-grpo", "grpo-sr")
    effort = replace(EFFORT, days=6)
    cells = aligned_cells(names, [1], effort)
    with Measuring(arena(), effort) as measuring:
        measured = [(cell, measuring.measure(cell)) for cell in cells]
    for _, figures in measured:
        assert sum(members(figures, JUDGED)) > 0
        # What was seen of a page below its cut is in the one and not in the other.
        assert sum(members(figures, TRUE)) <= sum(members(figures, "reward")) + 1.0
        assert np.isfinite(members(figures, BY_PAGE)).all()
    assert {"first_reward", "last_reward", "last_kl"} <= measured[2][1].keys()
    own = {(one.contender, one.metric): one for one in own_lifts(measured)}
    assert own["grpo-sr", DISTANCE].beside == GENERATIVE


def test_a_contender_that_is_none_is_told_by_name() -> None:
    with pytest.raises(ValueError, match="contenders: 'ours' is none of multi-stage / generative"):
        visit_cells(["ours"], [0], EFFORT)


def test_estimates_near_the_drawing_policy_hold_the_truth() -> None:
    near = coverage(runs=20, distances=(0.2,))
    assert [one.estimator for one in near] == ["ips", "snips", "dr"]
    assert all(one.inside >= 0.8 and one.warned == 0.0 for one in near)
