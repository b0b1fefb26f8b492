"""The entity tower: an ID and metadata become an input and an output embedding.

Letters: E entities, D width, G genres, A age features, C candidates of the mix (ID, metadata).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pagecast.featurestore.vocabulary import MATURITY_BUCKETS, YEARS, Vocabulary
from pagecast.trainer.config import ModelConfig

FEATURES = ("id_E", "kind_E", "genres_EG", "year_E", "language_E", "maturity_E", "age_EA")
"""Inputs of the tower, as `pagecast.featurestore.vocabulary.entity_features` makes them."""

KINDS = 8
"""Room for kinds of entities; the contract names four."""

INITIAL_STD = 0.02


class EntityTower(nn.Module):
    """Mixes ID and metadata by attention on the entity's age (docs/papers.md 1.6 and 3.1).

    ID 0 is the fallback: entities outside the vocabulary differ by their metadata only. A kind,
    year, language or genre that training never saw is presented as the unknown one, which random
    replacement trains; otherwise a launch of a new kind would move by an untrained vector.
    """

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        d_model = config.d_model
        self.input = _Mix(len(vocabulary.entities) + 1, config)
        self.output = _Mix(len(vocabulary.entities) + 1, config)
        self.kind = nn.Embedding(KINDS, d_model)
        self.genre = nn.Linear(len(vocabulary.genres) + 1, d_model, bias=False)
        self.year = nn.Embedding(YEARS, d_model)
        self.language = nn.Embedding(len(vocabulary.languages) + 1, d_model)
        self.maturity = nn.Embedding(MATURITY_BUCKETS, d_model)
        self.age = nn.Linear(2, d_model)
        self.hidden = nn.Linear(d_model, d_model)
        self.norm = nn.RMSNorm(d_model, eps=1e-6)
        for name, size in self._closed_sizes().items():
            self.register_buffer(f"seen_{name}", torch.arange(size))

    def _closed_sizes(self) -> dict[str, int]:
        return {
            "kind": KINDS,
            "year": YEARS,
            "language": self.language.num_embeddings,
            "maturity": MATURITY_BUCKETS,
        }

    def remember_seen(self, features: Mapping[str, Tensor]) -> None:
        """Fixes which kinds, years, languages and maturities of training will count as known.

        A year between or beyond the seen ones becomes the nearest seen one, anything else the
        unknown one.
        """
        for name in self._closed_sizes():
            table: Tensor = getattr(self, f"seen_{name}")
            seen = torch.unique(features[f"{name}_E"])
            seen = seen[seen > 0]
            table.zero_()
            table[seen] = seen
            if name == "year" and len(seen):
                distance_YS = (torch.arange(1, YEARS)[:, None] - seen).abs()
                table[1:] = seen[distance_YS.argmin(1)]

    def forward(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Returns `input_ED` and `output_ED`."""
        metadata_ED = self._metadata(features)
        id_E, age_EA = features["id_E"], features["age_EA"]
        return self.input(id_E, metadata_ED, age_EA), self.output(id_E, metadata_ED, age_EA)

    def _metadata(self, features: Mapping[str, Tensor]) -> Tensor:
        genres_EG = features["genres_EG"]
        weight_E1 = genres_EG.sum(1, keepdim=True).clamp(min=1.0).rsqrt()
        summed_ED = self.genre(genres_EG * weight_E1) + self.age(features["age_EA"] * 0.1)
        for name in self._closed_sizes():
            seen: Tensor = getattr(self, f"seen_{name}")
            summed_ED = summed_ED + getattr(self, name)(seen[features[f"{name}_E"]])
        normed_ED: Tensor = self.norm(summed_ED)
        return nn.functional.silu(self.hidden(normed_ED)) + normed_ED


class _Mix(nn.Module):
    """One side (input or output) of the tower; the two share only the metadata's hidden layer."""

    def __init__(self, ids: int, config: ModelConfig) -> None:
        super().__init__()
        d_model, age_dim = config.d_model, config.age_dim
        self.id = nn.Embedding(ids, d_model)
        self.metadata = nn.Linear(d_model, d_model, bias=False)
        self.query = nn.Sequential(nn.Linear(2, age_dim), nn.Tanh(), nn.Linear(age_dim, age_dim))
        self.key = nn.Linear(d_model, age_dim)

    def forward(self, id_E: Tensor, metadata_ED: Tensor, age_EA: Tensor) -> Tensor:
        values_ECD = torch.stack([self.id(id_E), self.metadata(metadata_ED)], dim=1)
        scores_EC = (self.key(values_ECD) * self.query(age_EA * 0.1)[:, None]).sum(-1)
        mixed_ED: Tensor = (torch.softmax(scores_EC, dim=1)[..., None] * values_ECD).sum(1)
        return mixed_ED
