"""What is compared with what, and where a loophole in a reward would show."""

import pytest

from pagecast.cli.bench.align.cells import METRICS, aligned_cells
from pagecast.cli.bench.align.comparisons import (
    ALIGN,
    COMPARISONS,
    FINDINGS,
    NO_NEGATIVES,
    own_lifts,
    own_metric,
    trust,
)
from pagecast.cli.bench.align.contenders import CONTENDERS, GENERATIVE, LOGGED_WBC, WBC
from pagecast.cli.bench.align.own_reward import (
    BY_GATED,
    BY_PAGE,
    BY_PREFERENCE,
    DISTANCE,
    JUDGED,
    TRUE,
)
from pagecast.cli.bench.align.workshop import Effort
from pagecast.trainer.alignment.config import RECIPES
from pagecast.trainer.benchmarks.cells import Figures

EFFORT = Effort(members=3, days=1, passes=1.0)


def judged(said: float, true: float) -> Figures:
    """Two pages a member, and three members who are a little unlike."""
    members = (0.9, 1.0, 1.1)
    return {
        **{name: [2 * said * m for m in members] for name in (BY_PAGE, BY_PREFERENCE, BY_GATED)},
        TRUE: [2 * true * m for m in members],
        DISTANCE: [1.0, 1.0, 1.0],
        JUDGED: [2.0, 2.0, 2.0],
    }


@pytest.mark.parametrize("table", COMPARISONS)
def test_tables_name_contenders_and_what_they_are_beside(table: str) -> None:
    comparison = COMPARISONS[table]
    for quick in (False, True):
        names = comparison.of(None, quick=quick)
        assert len(set(names)) == len(names)
        assert set(names) <= CONTENDERS.keys()
        assert comparison.beside in names
    assert set(comparison.quick) <= set(comparison.names)


def test_every_contender_is_in_a_table() -> None:
    named = {name for one in COMPARISONS.values() for name in one.of(None, quick=False)}
    assert named == CONTENDERS.keys()


def test_contenders_that_were_named_come_with_what_they_are_beside() -> None:
    findings = COMPARISONS[FINDINGS]
    assert findings.of((NO_NEGATIVES,), quick=False) == [LOGGED_WBC, NO_NEGATIVES]
    assert findings.of(("WBC, no context",), quick=False) == [WBC, "WBC, no context"]
    assert findings.of(("popularity",), quick=False) == []
    assert COMPARISONS[ALIGN].of(("grpo",), quick=False) == [LOGGED_WBC, GENERATIVE, "grpo"]


def test_each_recipe_s_own_reward_is_what_it_learns_from() -> None:
    assert {recipe: own_metric(recipe) for recipe in RECIPES} == {
        "dr-grpo": BY_PAGE,
        "grpo-sr": BY_GATED,
        "grpo-sr-no-gate": BY_PREFERENCE,
        "grpo-sr-no-nll": BY_GATED,
        "grpo": BY_GATED,
        "grpo-no-gate": BY_PREFERENCE,
    }


def test_a_hole_in_a_reward_shows_as_own_up_and_truth_down() -> None:
    cells = aligned_cells([GENERATIVE, "grpo-sr-no-gate"], [0], EFFORT)
    measured = list(zip(cells, [judged(1.0, 1.0), judged(1.5, 0.5)], strict=True))
    found = {one.metric: one for one in own_lifts(measured)}
    assert found[BY_PREFERENCE].ours == pytest.approx(1.5)
    assert found[BY_PREFERENCE].lift.mean == pytest.approx(0.5)
    assert found[TRUE].lift.mean == pytest.approx(-0.5)
    assert found[DISTANCE].lift.mean == pytest.approx(0.0)


def test_recipes_stand_beside_the_model_that_they_aligned_too() -> None:
    """WBC on the log may be worse than what it began with."""
    cells = aligned_cells([LOGGED_WBC, GENERATIVE, "grpo"], [0], EFFORT)
    figures = [
        {"sessions": [1.0] * 3, **{name: [earned] * 3 for name in METRICS}}
        for earned in (1.0, 2.0, 3.0)
    ]
    lifts = COMPARISONS[ALIGN].lifts(list(zip(cells, figures, strict=True)))
    found = {(one.contender, one.beside): one.lift.mean for one in lifts}
    assert found == {
        (GENERATIVE, LOGGED_WBC): pytest.approx(1.0),
        ("grpo", LOGGED_WBC): pytest.approx(2.0),
        ("grpo", GENERATIVE): pytest.approx(0.5),
        (LOGGED_WBC, GENERATIVE): pytest.approx(-0.5),
    }


def test_trust_in_reward_models_is_the_mean_of_seeds() -> None:
    cells = aligned_cells(["dr-grpo", "grpo"], [0, 1], EFFORT)
    told = [{"preference_auc": 0.5 + 0.1 * cell.seed, "reward": 3.0} for cell in cells]
    assert trust(list(zip(cells, told, strict=True))) == {"preference_auc": pytest.approx(0.55)}
