"""Training the baseline: it finds the pattern in a world, and says how well it ranks."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from trainer.factories_trainer import entity_id, in_time_order, logged, walk, write_state

from pagecast.engine.bundles.served_model import load_served
from pagecast.engine.multi_stage.candidates import Candidates
from pagecast.engine.multi_stage.features import ENTITY_FEATURES
from pagecast.engine.multi_stage.manifest import MULTI_STAGE
from pagecast.featurestore.database import connect
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.snapshot import NothingToTrainError, Source
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.multi_stage import rankers, train
from pagecast.trainer.multi_stage.co_occurrence import Counted
from pagecast.trainer.multi_stage.conditional_logit import Choices, fitted
from pagecast.trainer.multi_stage.config import MultiStageConfig
from pagecast.trainer.multi_stage.examples import Example
from pagecast.trainer.multi_stage.rankers import Ranked
from pagecast.trainer.multi_stage.train import Baseline, fit_baseline, train_baseline

QUICK = MultiStageConfig(
    regularisations=(10.0, 100.0), halves=(1.0, 5.0), examples_max=60, candidates_max=20
)


@pytest.fixture(scope="module")
def baseline(world: StatePaths) -> Baseline:
    return fit_baseline(Source(paths=world).read(), QUICK)


def test_it_ranks_what_goes_together_far_above_chance(baseline: Baseline) -> None:
    """Each walks along one genre of twelve: by chance NDCG@10 of 36 would be 0.13."""
    assert baseline.ranked.examples >= 10
    assert baseline.ranked.entity_ndcg_at_10 > 0.35
    assert baseline.ranked.first_row_hit > 0.4


def test_ease_joins_what_people_took_up_together(baseline: Baseline) -> None:
    """Entities of one genre are every third."""
    at = {e: c for c, e in enumerate(baseline.tables.entity_ids)}
    source, same, other = (at[entity_id(number)] for number in (0, 3, 4))
    assert baseline.tables.weight_CC[source, same] > baseline.tables.weight_CC[source, other] + 0.01


def test_nothing_is_chosen_by_what_it_is_tested_on(
    world: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen_by: set[int] = set()
    tested_on: list[int] = []

    def chosen(
        data: Interactions, before: Counted, learned_X: tuple[int, ...], config: MultiStageConfig
    ) -> tuple[float, float]:
        chosen_by.update(int(data.at_ms_X[x]) for x in learned_X)
        return config.regularisations[0], config.halves[0]

    def tested(candidates: Candidates, examples: Iterable[Example]) -> Ranked:
        tested_on.extend(one.prompt.request.at_ms for one in examples)
        return rankers.tested(candidates, ())

    monkeypatch.setattr(train, "_chosen", chosen)
    monkeypatch.setattr(train, "tested", tested)
    fit_baseline(Source(paths=world).read(), QUICK)
    assert len(tested_on) > 10
    assert max(chosen_by) <= min(tested_on)


def test_it_is_registered_by_its_alias_and_loads(tmp_path: Path) -> None:
    paths = write_state(tmp_path, logged(in_time_order(walk(user) for user in range(12))))
    manifest = train_baseline(Source(paths=paths), None, QUICK)
    engine = connect(paths.database_url)
    try:
        registry = Registry(engine)
        found = registry.resolve(MULTI_STAGE)
        assert found is not None
        assert (found.version, found.data["kind"]) == (manifest.version, MULTI_STAGE)
        assert registry.resolve("challenger") is None
    finally:
        engine.dispose()
    assert load_served(paths.bundles / found.bundle).version == manifest.version


def test_nothing_to_train_on_is_told(tmp_path: Path) -> None:
    with pytest.raises(NothingToTrainError, match="no events"):
        train_baseline(Source(paths=write_state(tmp_path, [])), None, QUICK)


def test_a_ranker_finds_the_weights_that_choices_were_made_with() -> None:
    draw = np.random.default_rng(1)
    truth_F = np.array([2.0, -1.0], np.float32)
    feature_EMF = draw.normal(size=(2_000, 6, 2)).astype(np.float32)
    noise_EM = draw.gumbel(size=(2_000, 6))
    chosen_EM = np.eye(6, dtype=bool)[(feature_EMF @ truth_F + noise_EM).argmax(1)]
    offered_EM = np.ones_like(chosen_EM)
    choices = Choices(feature_EMF=feature_EMF, offered_EM=offered_EM, chosen_EM=chosen_EM)
    found_F = fitted(choices, np.zeros(2, np.float32), pull=1.0)
    np.testing.assert_allclose(found_F, truth_F, atol=0.15)


def test_a_ranker_without_examples_is_what_it_begins_with() -> None:
    prior_F = np.arange(len(ENTITY_FEATURES), dtype=np.float32)
    none = Choices(
        feature_EMF=np.zeros((0, 1, len(prior_F)), np.float32),
        offered_EM=np.zeros((0, 1), bool),
        chosen_EM=np.zeros((0, 1), bool),
    )
    np.testing.assert_array_equal(fitted(none, prior_F, pull=1.0), prior_F)
