"""The serving engine as a system: torch's scores, and nearly the same with 8-bit weights."""

from dataclasses import replace

import numpy as np
import pytest
from trainer.evaluation.factories_evaluation import untold
from trainer.factories_trainer import SMALL, in_time_order, logged, replayed, walk

from pagecast.engine.model import Model
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.trainer.benchmarks.decoding import both_forms, page_choices
from pagecast.trainer.evaluation.protocols.interactions import interactions_of
from pagecast.trainer.evaluation.protocols.requests import Split
from pagecast.trainer.evaluation.protocols.splits import LEAVE_ONE_OUT, plan_of
from pagecast.trainer.evaluation.systems.engine_system import EngineSystem
from pagecast.trainer.evaluation.systems.pagecast_system import PagecastSystem
from pagecast.trainer.evaluation.systems.training import Trainings

BRIEF = replace(SMALL, epochs=1.0)


@pytest.fixture(scope="module")
def split(catalog: CatalogSnapshot) -> Split:
    """Twelve walks; of one entity the catalog knows nothing."""
    known = replace(catalog, entities=catalog.entities[:-1])
    users = replayed(logged(in_time_order(walk(user) for user in range(12))))
    return plan_of(LEAVE_ONE_OUT, interactions_of(users, known)).validation


@pytest.fixture(scope="module")
def system(split: Split) -> PagecastSystem:
    system = PagecastSystem(BRIEF, Trainings())
    system.fit(split.part, untold)
    return system


@pytest.fixture(scope="module")
def forms(split: Split, system: PagecastSystem) -> tuple[Model, Model]:
    return both_forms(system.trained, split.part.data)


def test_the_engine_scores_what_torch_scores(
    split: Split, system: PagecastSystem, forms: tuple[Model, Model]
) -> None:
    engine = EngineSystem(forms[0], split.part.data)
    score_QN = engine.scores(split.requests)
    assert np.isneginf(score_QN[:, -1]).all()
    np.testing.assert_allclose(score_QN, system.scores(split.requests), atol=1e-3)


def test_8_bit_weights_score_nearly_the_same(split: Split, forms: tuple[Model, Model]) -> None:
    exact_QN, rounded_QN = (
        EngineSystem(form, split.part.data).scores(split.requests)[:, :-1] for form in forms
    )
    error = np.linalg.norm(rounded_QN - exact_QN) / np.linalg.norm(exact_QN)
    assert 1e-4 < error < 0.1


def test_choices_are_compared_along_the_exact_page(
    split: Split, forms: tuple[Model, Model]
) -> None:
    """The exact form itself makes every one of them."""
    exact, rounded = forms
    prompt = EngineSystem(exact, split.part.data).prompt(split.requests[0])
    same = list(page_choices(exact, exact, prompt))
    assert all(same)
    assert len(list(page_choices(exact, rounded, prompt))) == len(same) > 5
