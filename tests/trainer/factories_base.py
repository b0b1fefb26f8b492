"""A base model without a training, and a vocabulary with less in it."""

import dataclasses
from collections.abc import Collection

import torch
from trainer.factories_trainer import SMALL

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.starts.base import Base


def base_of(data: Dataset, vocabulary: Vocabulary, config: ModelConfig = SMALL.model) -> Base:
    """Weights as they are drawn, zeros too: rows of a table differ, so that a wrong one is seen."""
    torch.manual_seed(0)
    model = PageModel(config, vocabulary)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.tower.remember_seen(catalog_features(data.catalog, vocabulary))
    return Base(model=model.eval(), vocabulary=vocabulary, version="base", positions={})


def without(vocabulary: Vocabulary, names: Collection[str]) -> Vocabulary:
    """Without some names, as if nobody had met them yet."""
    kept = [e not in names for e in vocabulary.entities]
    counts = zip(vocabulary.entity_interactions, kept, strict=True)
    fields = ("entities", "rows", "genres", "languages", "devices", "surfaces", "people", "origins")
    return dataclasses.replace(
        vocabulary,
        entity_interactions=tuple(count for count, keep in counts if keep),
        **{f: tuple(n for n in getattr(vocabulary, f) if n not in names) for f in fields},
    )
