"""Auxiliary objectives: the genres and the language of the entities a history goes on with.

Letters: E entities, J hidden positions, K targets, D width, G genres, W languages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.network.heads import OutputHead


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What the catalog says of entities: a share for each genre, an index of the language.

    A row of `genre_EG` adds up to 1, or to 0 where no genre is known; language 0 is unknown. They
    tell the truth even of an entity whose metadata the tower is not shown.
    """

    genre_EG: Tensor
    language_E: Tensor

    @classmethod
    def of(cls, features: Mapping[str, Tensor]) -> Self:
        """From the tower's inputs."""
        genres_EG = features["genres_EG"]
        return cls(
            genre_EG=genres_EG / genres_EG.sum(1, keepdim=True).clamp(min=1.0),
            language_E=features["language_E"],
        )

    def of_some(self, entity_X: Tensor) -> "Labels":
        """Those of some entities."""
        return Labels(genre_EG=self.genre_EG[entity_X], language_E=self.language_E[entity_X])


def auxiliary_losses(
    head: OutputHead, decoded_XD: Tensor, targets: Targets, labels: Labels | None
) -> tuple[Tensor, Tensor]:
    """Losses of genres and of languages in nats, weighed and decayed as the targets are.

    Each is one multi-label loss (docs/papers.md 3.1 and 3.3): a target shares its weight among its
    genres. A target without a known genre adds no loss, but counts in the divisor: so the divisor
    is the entities' own, and shares of several processes add up.
    """
    if labels is None or not len(targets.of_K):
        return decoded_XD.new_zeros(()), decoded_XD.new_zeros(())
    genre_JG, language_JW = head.logits(decoded_XD[torch.from_numpy(targets.at_J)])
    entity_K, of_K = torch.from_numpy(targets.entity_K), torch.from_numpy(targets.of_K)
    weight_K = torch.from_numpy(targets.weight_K)
    wanted_JG = torch.zeros_like(genre_JG).index_add(
        0, of_K, weight_K[:, None] * labels.genre_EG[entity_K]
    )
    language_K = labels.language_E[entity_K]
    known_K = weight_K * (language_K > 0)
    log_JW = functional.log_softmax(language_JW, dim=-1)
    genres = -(wanted_JG * functional.log_softmax(genre_JG, dim=-1)).sum()
    languages = -(known_K * log_JW[of_K, language_K]).sum()
    total = weight_K.sum()
    return genres / total, languages / total
