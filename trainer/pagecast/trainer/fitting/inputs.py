"""What a step of training feeds the model: a batch, and the features of its entities."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pagecast.trainer.batches.batch import PackedBatch
from pagecast.trainer.batches.sampling import narrow
from pagecast.trainer.config import ObjectiveConfig
from pagecast.trainer.data.launches import Launches
from pagecast.trainer.fitting.auxiliary import Labels


@dataclass(frozen=True, kw_only=True)
class StepInputs:
    """A batch whose entities are rows of `features`: the catalog's, or those a step needs.

    `entity_offset_E` belongs to a sampled softmax, `labels` to auxiliary objectives.
    """

    batch: PackedBatch
    features: Mapping[str, Tensor]
    entity_offset_E: Tensor | None = None
    labels: Labels | None = None


class Inputs:
    """Draws what a batch's entities look like in a step, and which others compete with them."""

    def __init__(
        self, features: Mapping[str, Tensor], launches: Launches, objective: ObjectiveConfig
    ) -> None:
        self._launches, self._negatives = launches, objective.negatives
        self._entities = len(features["id_E"])
        auxiliary = objective.genres > 0 or objective.languages > 0
        self._labels = Labels.of(features) if auxiliary else None

    def draw(self, batch: PackedBatch | None, generator: torch.Generator) -> StepInputs | None:
        """Draws equally much from the generator for any batch, and also for none."""
        if not self._negatives:
            features = self._launches.draw(generator)
            if batch is None:
                return None
            return StepInputs(batch=batch, features=features, labels=self._labels)
        seed = int(torch.randint(2**62, (), generator=generator))
        return None if batch is None else self._narrowed(batch, seed)

    def _narrowed(self, batch: PackedBatch, seed: int) -> StepInputs:
        narrowed = narrow(batch, self._entities, self._negatives, np.random.default_rng(seed))
        entity_X = torch.from_numpy(narrowed.entity_X)
        return StepInputs(
            batch=narrowed.batch,
            features=self._launches.draw(torch.Generator().manual_seed(seed), entity_X),
            entity_offset_E=torch.from_numpy(narrowed.offset_X),
            labels=None if self._labels is None else self._labels.of_some(entity_X),
        )
