"""Every table's measurement on histories of a few people, with a model that takes milliseconds."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
from pydantic import JsonValue
from trainer.factories_trainer import SMALL

from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.trainer.benchmarks.cells import Cell, DataView
from pagecast.trainer.benchmarks.made_up import made_up
from pagecast.trainer.benchmarks.measure import measure
from pagecast.trainer.benchmarks.sasrec import Loss
from pagecast.trainer.benchmarks.speed import EVERYTHING, OURS
from pagecast.trainer.benchmarks.spelled import IDS
from pagecast.trainer.benchmarks.validated import part_of_users
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.splits import LEAVE_ONE_OUT, PREQUENTIAL, plan_of

USERS, ENTITIES = 12, 80

SHAPE: Mapping[str, JsonValue] = {
    **{f"model.{name}": value for name, value in vars(SMALL.model).items()},
    "epochs": 1e-3,
    "positions_per_batch": 512,
}
"""One step of a model that is hardly one."""


@cache
def data() -> Interactions:
    return made_up(DEFAULT_FOLD, users=USERS, entities=ENTITIES)


def test_a_validation_has_figures_and_what_they_cost() -> None:
    shares: list[float] = []
    cell = Cell(
        table="ablations",
        name="any",
        view=DataView(without=("times",)),
        settings={"overrides": SHAPE},
    )
    figures = measure(cell, data(), shares.append)
    assert figures.keys() == {"ndcg_at_10", "hr_at_10", "cpu_seconds", "epochs"}
    assert 0.0 <= figures["ndcg_at_10"] <= figures["hr_at_10"] <= 1.0
    assert figures["cpu_seconds"] > 0
    assert shares


def test_a_share_of_the_users_is_trained_on_and_all_are_asked() -> None:
    part = plan_of(LEAVE_ONE_OUT, data()).validation.part
    half = part_of_users(part, 0.5, seed=0)
    trained = np.flatnonzero(half.steps_U)
    assert len(trained) == USERS // 2
    assert set(half.data.user_X[half.fit_X].tolist()) == set(trained.tolist())
    assert (half.steps_U[trained] == part.steps_U[trained]).all()
    assert part_of_users(part, 0.5, seed=0).steps_U.tolist() == half.steps_U.tolist()


def test_speed_is_measured_in_turns_on_equal_histories() -> None:
    settings: dict[str, JsonValue] = {"length": 20, "passes": 1.0, "rounds": 2, "overrides": SHAPE}
    figures = measure(Cell(table="throughput", name="20", settings=settings), data())
    assert figures.keys() == {OURS, EVERYTHING, *(loss.value for loss in Loss)}
    for rounds in figures.values():
        assert len(rounds) == 2
        assert min(rounds) > 0
    # Besides the steps there are profiles, pages and openings.
    assert all(np.array(figures[EVERYTHING]) > np.array(figures[OURS]))


def test_a_model_that_is_not_exported_has_taken_a_step() -> None:
    settings: dict[str, JsonValue] = {"export": False, "overrides": SHAPE}
    figures = measure(Cell(table="parity", name="any", settings=settings), data())
    assert figures["steps"] == 1
    assert np.isfinite(figures["entity_loss"])


@pytest.mark.faults
def test_graphs_are_compared_with_the_model_they_are_of() -> None:
    settings: dict[str, JsonValue] = {"export": True, "overrides": SHAPE}
    figures = measure(Cell(table="parity", name="any", settings=settings), data())
    differences = [v for n, v in figures.items() if n.endswith("_difference_max")]
    assert len(differences) == 3
    assert max(differences) < 1e-4


@pytest.mark.faults
def test_both_forms_are_asked_for_the_same_requests_and_pages() -> None:
    settings: dict[str, JsonValue] = {"pages": 2, "overrides": SHAPE}
    figures = measure(Cell(table="decoding", name="default", settings=settings), data())
    assert 0.0 <= figures["ndcg_at_10_int8"] <= 1.0
    assert abs(figures["ndcg_at_10_int8"] - figures["ndcg_at_10_fp32"]) < 0.2
    assert figures["choices"] > 20
    assert figures["equal_choices"] > 0.5
    assert (
        figures["same_entities, exact, fp32"] == 1.0 == figures["same_entities, shortlist of 256"]
    )
    assert 0.3 < figures["same_entities, k=0"] <= 1.0
    assert figures["target_worth_error, shortlist of 256"] == 0.0


def test_a_protocol_has_the_figures_of_evaluate() -> None:
    settings: dict[str, JsonValue] = {"protocol": LEAVE_ONE_OUT, "system": "popularity"}
    figures = measure(Cell(table="quality", name="any", settings=settings), data())
    assert figures.keys() == {"ndcg_at_10", "hr_at_10", "cpu_seconds"}


def test_a_fit_that_is_retrained_has_figures_beside_those_of_the_fit_alone() -> None:
    settings: dict[str, JsonValue] = {
        "protocol": PREQUENTIAL,
        "system": "ease",
        "retrain_every": 20,
    }
    figures = measure(Cell(table="quality", name="any", settings=settings), data())
    fitted = {"ndcg_at_10", "hr_at_10", "cpu_seconds"}
    assert figures.keys() == fitted | {f"retrained_{name}" for name in fitted}
    assert figures["retrained_ndcg_at_10"] != figures["ndcg_at_10"]


def test_a_way_to_say_an_entity_is_asked_of_known_and_of_cold_ones() -> None:
    """Spelled prompts are not exported, so they take no time here, and have no pages."""
    spelled = {"model.response": "semantic_ids", "model.merge_prompt": False, "step_dropout": 0.0}
    overrides = {**SHAPE, **spelled}
    cell = Cell(table=IDS, name="spelled", settings={"pages": 2, "overrides": overrides})
    figures = measure(cell, data())
    for what in ("known", "cold"):
        gain_T = np.array(figures[f"{what}_T"])
        assert len(gain_T) == len(np.array(figures[f"{what}_user_T"])) > 0
        assert ((gain_T >= 0.0) & (gain_T <= 1.0)).all()
        # Fewer compete, so nothing that is asked for stands lower.
        alone_T = np.array(figures[f"among_{what}_T"])
        assert len(alone_T) == len(gain_T)
        assert (alone_T >= gain_T).all()
    assert 0.0 <= figures["hallucination_rate"] <= 1.0
    assert figures["positions"] > 60
    assert figures.keys().isdisjoint({"served_bytes", "page_cpu_ms", "rules_kept"})


@pytest.mark.faults
def test_what_is_exported_has_pages_that_keep_the_rules() -> None:
    overrides = {**SHAPE, "model.response": "semantic_ids"}
    cell = Cell(table=IDS, name="merged", settings={"pages": 3, "overrides": overrides})
    figures = measure(cell, data())
    assert figures["rules_kept"] == 1.0
    assert figures["page_cpu_ms"] > 0
    assert figures["served_bytes"] > 0
