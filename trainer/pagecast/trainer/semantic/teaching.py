"""Before a model of semantic IDs is trained, one of entity tokens: its embeddings are coded."""

from dataclasses import replace
from pathlib import Path

from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features
from pagecast.trainer.fitting.checkpoint import Checkpoints
from pagecast.trainer.fitting.fit import fit
from pagecast.trainer.pages.constructed import PageBuilder
from pagecast.trainer.semantic.learned import learn
from pagecast.trainer.starts.base import BaseError, Start

FOLDER = "entities"
"""Folder of its checkpoints, below the training's: if killed, it resumes to the same codebook."""


def with_codebook(
    data: Dataset,
    builder: PageBuilder,
    config: TrainConfig,
    checkpoint: Path | None,
    start: Start | None,
) -> Dataset:
    """Adds what entities are spelled with; for a model of entity tokens, returns the data as it is.

    Raises BaseError if the training is to begin from a model, CodebookError if the entities cannot
    be named.
    """
    if not config.model.semantic:
        return data
    if start is not None:
        raise BaseError(
            "model.response: a model of semantic IDs cannot begin from another yet, its codebook "
            "would have to be kept: train without --from"
        )
    folder = None if checkpoint is None else checkpoint / FOLDER
    teacher = fit(data, builder, entity_config(config), checkpoint=folder).model
    features = catalog_features(data.catalog, data.vocabulary)
    return replace(data, spelled_with=learn(teacher, features, config.model.codes))


def entity_config(config: TrainConfig) -> TrainConfig:
    """The same training of a model of entity tokens."""
    model = replace(config.model, response="entities", merge_prompt=True)
    epochs = config.epochs if config.entity_epochs is None else config.entity_epochs
    return replace(config, model=model, epochs=epochs)


def has_checkpoint(folder: Path) -> bool:
    """Whether the model of entity tokens has one. Raises CheckpointError if all are damaged."""
    return bool(Checkpoints(folder / FOLDER).newest())


def clear_checkpoints(folder: Path) -> None:
    """Removes those of the model of entity tokens."""
    Checkpoints(folder / FOLDER).clear()
