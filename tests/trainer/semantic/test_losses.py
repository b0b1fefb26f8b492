"""What a model that spells entities is asked for, and that it learns to."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from trainer.factories_trainer import SMALL
from trainer.semantic.test_spelling import OPENING, packed, spelling_model

from pagecast.featurestore.prompt.semantic_ids import LEVELS, NO_TOKEN
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.config import ModelConfig, ObjectiveConfig, PostTrainConfig, TrainConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.snapshot import Source, positions_before_last
from pagecast.trainer.evaluation.protocols.next_slice import slice_plan
from pagecast.trainer.evaluation.systems.asked_model import AskedModel
from pagecast.trainer.job import Trained, TrainJob
from pagecast.trainer.semantic.losses import page_levels, semantic_losses
from pagecast.trainer.semantic.spelling import spell
from pagecast.trainer.semantic.trie import Trie
from pagecast.trainer.train import evaluate_next_slice, fit_snapshot

SEMANTIC = dataclasses.replace(
    SMALL,
    model=dataclasses.replace(SMALL.model, response="semantic_ids", codes=4),
    epochs=8.0,
    entity_epochs=4.0,
)


@pytest.fixture(scope="module")
def spelled_job(world: StatePaths) -> TrainJob:
    until = positions_before_last(world, 0.2)
    return TrainJob(source=Source(paths=world), config=SEMANTIC, until=until)


@pytest.fixture(scope="module")
def spelled_trained(spelled_job: TrainJob) -> Trained:
    return fit_snapshot(spelled_job)


def test_every_token_of_a_page_is_a_target_after_the_ones_before_it(dataset: Dataset) -> None:
    model, embedded = spelling_model(dataset)
    assert embedded.token_EL is not None
    batch = packed(dataset)
    trie = Trie(embedded.token_EL, model.config.codes)
    spelled = spell(batch, trie.token_NL)
    assert spelled.batch.code_BL is not None
    fed = trie.token_NL[spelled.fed_J]
    out_JE = np.zeros((len(batch.pages.at_J), len(trie.token_NL)), np.bool_)
    for targets in page_levels(trie, spelled, out_JE):
        going_J = fed[:, targets.level] != NO_TOKEN
        assert len(targets.at_J) == going_J.sum()
        # The fed token is a target, and what was read last is the token before it.
        code_J = fed[going_J, targets.level] - trie.begin_L[targets.level]
        for number, code in enumerate(code_J.tolist()):
            assert code in targets.code_K[targets.of_K == number]
        if targets.level:
            before_J = spelled.batch.code_BL.flatten()[targets.at_J]
            assert (before_J == fed[going_J, targets.level - 1]).all()


def test_a_code_behind_which_all_was_seen_does_not_compete(dataset: Dataset) -> None:
    model, embedded = spelling_model(dataset)
    assert embedded.token_EL is not None
    trie = Trie(embedded.token_EL, model.config.codes)
    spelled = spell(packed(dataset, (OPENING,)), trie.token_NL)
    first_N = trie.token_NL[:, 0]
    target = int(first_N[spelled.fed_J[0]])
    other = next(token for token in set(first_N.tolist()) if token != target)
    out_JE = np.broadcast_to(first_N == other, (2, len(first_N)))
    first = next(iter(page_levels(trie, spelled, out_JE)))
    assert np.flatnonzero(first.closed_JC[0]).tolist() == [other]
    out_JE = out_JE & (np.arange(len(first_N)) != np.flatnonzero(first_N == other)[0])
    assert not next(iter(page_levels(trie, spelled, out_JE))).closed_JC.any()


def test_an_even_model_loses_the_logarithm_of_the_codes_of_each_level(dataset: Dataset) -> None:
    model, embedded = spelling_model(dataset)
    with torch.no_grad():
        model.tower.codes.output.weight.zero_()
        told = semantic_losses(model, embedded, packed(dataset, (OPENING,)))
    assert embedded.token_EL is not None
    digits = embedded.token_EL[11, LEVELS] != NO_TOKEN
    at_first = math.log(model.config.codes)
    assert float(told.pages) >= at_first
    assert float(told.pages) <= LEVELS * at_first + digits * math.log(16) + 1e-5


def test_it_learns_the_planted_pattern(spelled_job: TrainJob, spelled_trained: Trained) -> None:
    quality = evaluate_next_slice(spelled_job.source, spelled_trained)
    assert quality.pagecast.ndcg_at_10 > 2 * quality.popularity.ndcg_at_10


def test_it_learns_which_ids_exist(spelled_job: TrainJob, spelled_trained: Trained) -> None:
    snapshot = spelled_job.source.read(known=spelled_trained.positions)
    plan = slice_plan(snapshot.catalog, snapshot.users)
    asked = AskedModel(spelled_trained.model, spelled_trained.vocabulary, plan.data)
    scores = asked.scores(plan.test.requests[:8])
    assert np.isfinite(scores).all()
    assert len(asked.named) == 8
    assert 0.3 < np.mean(asked.named) <= 1.0 + 1e-6


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"objective": ObjectiveConfig(negatives=4)}, "objective.negatives"),
        ({"objective": ObjectiveConfig(page_wise=False)}, "objective.page_wise"),
        ({"post": PostTrainConfig(share=0.2)}, "post.share"),
    ],
)
def test_what_is_not_defined_for_codes_is_refused(changed: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TrainConfig(model=ModelConfig(response="semantic_ids"), **changed)  # type: ignore[arg-type]
