"""The model of entity tokens that comes first, and what is kept of it."""

import dataclasses
from pathlib import Path

import pytest
import torch
from trainer.factories_trainer import SMALL
from trainer.semantic.test_spelling import spelling_model

from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.export.registering import data_facts
from pagecast.trainer.job import TrainJob
from pagecast.trainer.pages.constructed import PageBuilder
from pagecast.trainer.semantic.teaching import (
    FOLDER,
    clear_checkpoints,
    entity_config,
    with_codebook,
)
from pagecast.trainer.starts.base import Base, BaseError, Start
from pagecast.trainer.train import fit_snapshot

BRIEF = dataclasses.replace(
    SMALL, model=dataclasses.replace(SMALL.model, response="semantic_ids", codes=4), epochs=1.0
)


def test_it_is_the_same_training_of_entity_tokens() -> None:
    assert entity_config(BRIEF) == dataclasses.replace(
        BRIEF, model=dataclasses.replace(BRIEF.model, response="entities")
    )
    shorter = dataclasses.replace(BRIEF, entity_epochs=0.5)
    assert entity_config(shorter).epochs == 0.5


def test_a_training_goes_on_with_the_codebook_it_began_with(
    world: StatePaths, tmp_path: Path
) -> None:
    """Both models have checkpoints: with another codebook the second one's would be refused."""
    job = TrainJob(source=Source(paths=world), config=BRIEF, checkpoint=tmp_path)
    first, again = fit_snapshot(job), fit_snapshot(job)
    weights = again.model.state_dict()
    assert all(torch.equal(value, weights[n]) for n, value in first.model.state_dict().items())
    assert len(str(data_facts(first, None)["codebook"])) == 16
    assert first.facts == again.facts
    assert any((tmp_path / FOLDER).iterdir())
    clear_checkpoints(tmp_path)
    assert not any((tmp_path / FOLDER).iterdir())


def test_a_model_of_entity_tokens_needs_none(dataset: Dataset, builder: PageBuilder) -> None:
    assert with_codebook(dataset, builder, SMALL, None, None) is dataset


def test_beginning_from_a_model_is_refused(dataset: Dataset, builder: PageBuilder) -> None:
    model, _ = spelling_model(dataset)
    start = Start(base=Base(model=model, vocabulary=dataset.vocabulary, positions={}))
    with pytest.raises(BaseError, match=r"model\.response"):
        with_codebook(dataset, builder, BRIEF, None, start)
