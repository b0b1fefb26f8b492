import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from trainer.evaluation.factories_evaluation import Fixed, data_of, timeline

from pagecast.trainer.evaluation.one_run import EvaluationProgress
from pagecast.trainer.evaluation.protocols.requests import Plan
from pagecast.trainer.evaluation.protocols.splits import LEAVE_ONE_OUT, PREQUENTIAL, plan_of
from pagecast.trainer.evaluation.run import evaluate
from pagecast.trainer.evaluation.systems.system import Candidate, Family

CATALOG = ("a", "b", "c", "d", "e")


def one_user() -> Plan:
    """Chooses by d, tests on c."""
    rows = [("u", "a", 1), ("u", "b", 2), ("u", "d", 3), ("u", "c", 4)]
    return plan_of(LEAVE_ONE_OUT, data_of(*rows, catalog=CATALOG))


def family(name: str, *scores: Sequence[float], seeds: tuple[int, ...] = (0,)) -> Family:
    """A candidate for each scores; a seed other than 0 scores everything alike."""

    def candidates(seed: int) -> list[Candidate]:
        return [
            Candidate(
                chosen={"number": float(number)},
                make=partial(Fixed, given if seed == 0 else ()),
            )
            for number, given in enumerate(scores)
        ]

    return Family(name=name, candidates=candidates, seeds=seeds)


def test_the_candidate_that_is_best_on_validation_is_tested() -> None:
    worst_for_test = family("x", [0, 0, 9, 1, 0], [0, 0, 1, 9, 0], [0, 0, 2, 9, 0])
    (told,) = evaluate(one_user(), [worst_for_test], data_name="hand").systems
    assert told.chosen == {"number": 1.0}, "of equals the first"
    assert told.figures.masked.ndcg_at_10 == 1.0, "d is masked in the test, so c is the best"
    assert told.figures.unmasked.mrr == 0.5


def test_figures_are_the_mean_of_the_seeds() -> None:
    (told,) = evaluate(
        one_user(), [family("x", [0, 0, 9, 1, 0], seeds=(0, 1))], data_name="hand"
    ).systems
    assert {seed: both.unmasked.mrr for seed, both in told.seeds.items()} == {0: 1.0, 1: 0.2}
    assert told.figures.unmasked.mrr == pytest.approx(0.6)


def test_all_but_the_reference_are_compared_with_it() -> None:
    systems = [family("x", [0, 0, 9, 1, 0]), family("ease-recency", [0, 0, 0, 0, 0])]
    better, reference = evaluate(one_user(), systems, data_name="hand").systems
    assert better.difference is not None
    assert better.difference.mean == pytest.approx(1.0 - 1 / math.log2(3))
    assert reference.difference is None


def test_without_the_reference_nothing_is_compared() -> None:
    (told,) = evaluate(one_user(), [family("x", [0, 0, 9, 1, 0])], data_name="hand").systems
    assert told.difference is None


def test_the_staleness_curve_has_a_point_for_each_delay() -> None:
    plan = plan_of(PREQUENTIAL, timeline(("1", "x", 100), ("1", "y", 103)), (0.0, 5.0))
    report = evaluate(plan, [family("x", [0.0] * 20)], data_name="hand")
    assert list(report.systems[0].staleness) == [0.0, 5.0]
    document: Any = report.to_json()
    assert [at["seconds"] for at in document["systems"][0]["staleness"]] == [0.0, 5.0]


def test_progress_names_system_seed_and_stage() -> None:
    told: list[EvaluationProgress] = []
    evaluate(
        one_user(),
        [family("x", [0, 0, 9, 1, 0], [0, 0, 1, 9, 0])],
        data_name="hand",
        progress=told.append,
    )
    assert {(at.system, at.seed) for at in told} == {("x", 0)}
    assert [at.stage for at in told] == ["choose", "choose", "score"]


def test_slices_count_targets_and_an_empty_one_has_no_figure() -> None:
    (told,) = evaluate(one_user(), [family("x", [0, 0, 9, 1, 0])], data_name="hand").systems
    assert (told.slices["new users"].targets, told.slices["new users"].ndcg_at_10) == (0, None)
    assert told.slices["new entities"].targets == 1
