"""What a training is given: a catalog, a vocabulary and users' steps, as numbers.

Letters: N steps of a user, C cuts, E entities and R rows of the catalog.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pagecast.featurestore.catalog.snapshot import NEXT_ROW, CatalogSnapshot
from pagecast.featurestore.prompt.context import NO_CONTEXT, ContextConfig
from pagecast.featurestore.prompt.vocabulary import Vocabulary, entity_features
from pagecast.trainer.config import EngagementConfig
from pagecast.trainer.data.metadata import content_names, people_names
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.users import UserColumns, columns
from pagecast.trainer.pages.shown import Shown
from pagecast.trainer.semantic.learned import Learned


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Aligned by user: `users`, `columns`. Only what the training may know.

    `shown` are logged pages, if the training is to read them. `cuts` are, by user, the steps whose
    requests are learned from; None is all. `spelled_with` is a codebook, for semantic IDs.
    """

    catalog: CatalogSnapshot
    vocabulary: Vocabulary
    users: tuple[UserSteps, ...]
    columns: tuple[UserColumns, ...]
    shown: Shown = field(default_factory=Shown)
    cuts: tuple[npt.NDArray[np.int64], ...] | None = None
    spelled_with: Learned | None = None

    def learned(self) -> Sequence[Sequence[int]]:
        """`cuts` of every user, ascending."""
        if self.cuts is None:
            return [range(len(user.steps)) for user in self.users]
        return [cuts_C.tolist() for cuts_C in self.cuts]


def catalog_features(catalog: CatalogSnapshot, vocabulary: Vocabulary) -> dict[str, Tensor]:
    """The tower's inputs for the whole catalog."""
    encoded = entity_features(catalog.entities, vocabulary)
    return {name: torch.from_numpy(values) for name, values in encoded.items()}


def row_ids(catalog: CatalogSnapshot, vocabulary: Vocabulary) -> Tensor:
    """`ids_R`: the vocabulary's ids of the catalog's rows and, last, of the fallback row."""
    ids = vocabulary.row_ids
    return torch.tensor([*(ids.get(row.row_id, 0) for row in catalog.rows), 0], dtype=torch.long)


def fallback_row(catalog: CatalogSnapshot) -> int:
    """Index, among `row_ids`, of the row that stands for one training has not met."""
    return len(catalog.rows)


def next_row(catalog: CatalogSnapshot) -> int:
    """Index of the row after which the next entity is predicted; the fallback if there is none."""
    return catalog.row_index.get(NEXT_ROW, fallback_row(catalog))


def build_dataset(
    catalog: CatalogSnapshot,
    users: Sequence[UserSteps],
    engagement: EngagementConfig,
    context: ContextConfig = NO_CONTEXT,
    shown: Shown = Shown(),  # noqa: B008 (frozen)
) -> Dataset:
    """Builds the vocabulary from the users' steps and weighs them."""
    return Dataset(
        catalog=catalog,
        vocabulary=build_vocabulary(catalog, users, context),
        users=tuple(users),
        columns=tuple(columns(user, catalog, engagement) for user in users),
        shown=shown,
    )


def build_vocabulary(
    catalog: CatalogSnapshot, users: Sequence[UserSteps], context: ContextConfig = NO_CONTEXT
) -> Vocabulary:
    """Names of the catalog and of the steps, in catalog order or sorted.

    Only entities with steps get an ID: an ID that training never met would be noise, while the
    fallback and metadata are not. Raises ContentError if content embeddings do not fit together.
    """
    steps = [step for user in users for step in user.steps]
    counts = Counter(step.entity_id for step in steps)
    entities = [e.entity_id for e in catalog.entities if counts[e.entity_id]]
    languages = {s.language for s in steps} | {u.profile.language for u in users}
    languages |= {name for e in catalog.entities for name in e.languages}
    return Vocabulary(
        entities=tuple(entities),
        entity_interactions=tuple(counts[e] for e in entities),
        rows=tuple(row.row_id for row in catalog.rows),
        genres=_names({g for e in catalog.entities for g in e.genres}),
        languages=_names(languages),
        countries=_names({s.country for s in steps}),
        devices=_names({s.device for s in steps}),
        surfaces=_names({s.surface for s in steps}),
        origins=_names({name for e in catalog.entities for name in e.countries}),
        people=people_names(catalog),
        embeddings=content_names(catalog),
        context=context,
    )


def _names(values: set[str]) -> tuple[str, ...]:
    return tuple(sorted(values - {""}))
