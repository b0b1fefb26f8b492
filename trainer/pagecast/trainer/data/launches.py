"""Entities presented as new, so that metadata alone has to place them (docs/papers.md 1.6, 3.3).

Letters: E entities of the catalog, A age features, G genres, N names of content embeddings.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

LAUNCH_DAYS_MAX = 14.0
"""Days since release, at most, of an entity presented as a launch."""

AGE_DAYS, AGE_INTERACTIONS = 0, 1
"""Columns of `age_EA`, both as log(1 + x)."""

UNKNOWN_RATE = 0.05
"""Share of entities whose kind, year, language, maturity or genres, each on their own, are
presented as unknown: so the unknown one is trained, which new values, save years, fall back to."""


MISSING_RATE = 0.1
"""Share of entities that are presented without their countries of origin, their people or a content
embedding, each on its own: an operator's newest entity often has no synopsis yet, and must not be
placed by an input that training never saw empty."""


class Launches:
    """Draws entities to be presented as new.

    A launch is drawn by events, not by entities: so a launch is expected to be about as wanted as
    the entity of an event drawn at random, not as one of the catalog's long tail. An unknown
    entity is drawn evenly and keeps its age: an old one without interactions is seldom wanted.
    """

    def __init__(
        self, features: Mapping[str, Tensor], *, launch_rate: float, unknown_rate: float
    ) -> None:
        self._features = dict(features)
        interactions_E = torch.expm1(features["age_EA"][:, AGE_INTERACTIONS])
        total = float(interactions_E.sum().clamp(min=1.0))
        entities = len(interactions_E)
        self._launch_E = (interactions_E / total * entities * launch_rate).clamp(max=0.5)
        self._unknown_rate = unknown_rate

    def draw(self, generator: torch.Generator, entity_X: Tensor | None = None) -> dict[str, Tensor]:
        """The tower's inputs with some entities presented as new.

        With `entity_X`, catalog indices, only those: each is as likely to be new as among all.
        """
        features, likely_E = dict(self._features), self._launch_E
        if entity_X is not None:
            features = {name: feature[entity_X] for name, feature in features.items()}
            likely_E = likely_E[entity_X]
        entities = len(likely_E)
        launch_E = torch.rand(entities, generator=generator) < likely_E
        unknown_E = torch.rand(entities, generator=generator) < self._unknown_rate
        days_E = torch.rand(entities, generator=generator) * LAUNCH_DAYS_MAX
        age_EA = features["age_EA"].clone()
        age_EA[launch_E, AGE_DAYS] = torch.log1p(days_E[launch_E])
        age_EA[launch_E | unknown_E, AGE_INTERACTIONS] = 0.0
        features["age_EA"] = age_EA
        features["id_E"] = features["id_E"].masked_fill(launch_E | unknown_E, 0)
        for name in ("kind_E", "year_E", "language_E", "maturity_E"):
            hide_E = torch.rand(entities, generator=generator) < UNKNOWN_RATE
            features[name] = features[name].masked_fill(hide_E, 0)
        hide_E = torch.rand(entities, generator=generator) < UNKNOWN_RATE
        features["genres_EG"] = _without_names(features["genres_EG"], hide_E)
        for name in ("origins_EO", "people_EP"):
            hide_E = torch.rand(entities, generator=generator) < MISSING_RATE
            features[name] = features[name].masked_fill(hide_E[:, None], 0)
        has_content_EN = features["has_content_EN"]
        hide_EN = torch.rand(has_content_EN.shape, generator=generator) < MISSING_RATE
        features["has_content_EN"] = has_content_EN.masked_fill(hide_EN, 0.0)
        return features


def _without_names(genres_EG: Tensor, hide_E: Tensor) -> Tensor:
    """Presents the genres of some entities as ones the vocabulary does not know (column 0)."""
    hidden_EG = torch.zeros_like(genres_EG)
    hidden_EG[:, 0] = (genres_EG.sum(1) > 0).to(genres_EG.dtype)
    return torch.where(hide_E[:, None], hidden_EG, genres_EG)


def without_metadata(features: Mapping[str, Tensor], hide_E: Tensor) -> dict[str, Tensor]:
    """The tower's inputs with all metadata of some entities presented as unknown or missing."""
    hidden = dict(features)
    for name in ("kind_E", "year_E", "language_E", "maturity_E"):
        hidden[name] = features[name].masked_fill(hide_E, 0)
    hidden["genres_EG"] = _without_names(features["genres_EG"], hide_E)
    for name in ("origins_EO", "people_EP"):
        hidden[name] = features[name].masked_fill(hide_E[:, None], 0)
    hidden["has_content_EN"] = features["has_content_EN"].masked_fill(hide_E[:, None], 0.0)
    return hidden
