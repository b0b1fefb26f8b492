"""Entities as vectors of what the catalog says of them, to tell how alike two are.

Letters: E entities of a catalog, C components of a vector.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.vocabulary import entity_features
from pagecast.trainer.data.dataset import build_vocabulary

Vectors = npt.NDArray[np.float32]

YEARS_ALIKE = 5.0
"""Years apart at which two years are still about as alike as not (a Gaussian's deviation)."""

PEOPLE_COMPONENTS = 256
"""There are thousands of people: their one-hot vectors are projected to this many components."""

SEED = 0
"""Of that projection."""

GENRES, YEAR, PEOPLE, CONTENT = "genres", "year", "people", "content"
BLOCKS = (GENRES, YEAR, PEOPLE, CONTENT)


def metadata_vectors(
    catalog: CatalogSnapshot, weights: Mapping[str, float] | None = None
) -> Vectors:
    """`vector_EC` of blocks (genres, year, people, content embeddings) side by side.

    Each block is of unit length, or zeros where the catalog says nothing, times the root of its
    weight (1 unless given): the product of two vectors is the weighted sum of the blocks' cosines.
    Genres and people count the more the rarer they are (inverse document frequency).
    """
    features = entity_features(catalog.entities, build_vocabulary(catalog, ()))
    blocks = {
        GENRES: _rarer_more(features["genres_EG"][:, 1:].astype(np.float32)),
        YEAR: _years(features["year_E"].astype(np.int64)),
        PEOPLE: _people(features["people_EP"].astype(np.int64)),
        CONTENT: features["content_EC"].astype(np.float32),
    }
    root = {name: np.float32(np.sqrt((weights or {}).get(name, 1.0))) for name in BLOCKS}
    return np.concatenate([_unit(blocks[name]) * root[name] for name in BLOCKS], axis=1)


def _unit(vector_EC: Vectors) -> Vectors:
    length_E1 = np.sqrt((vector_EC**2).sum(1, keepdims=True))
    unit_EC = vector_EC / np.where(length_E1 > 0, length_E1, 1.0)
    return unit_EC.astype(np.float32)


def _rarer_more(has_EC: Vectors) -> Vectors:
    count_C = np.maximum(has_EC.sum(0), 1.0)
    weighed_EC: Vectors = has_EC * np.log1p(len(has_EC) / count_C).astype(np.float32)
    return weighed_EC


def _years(year_E: npt.NDArray[np.int64]) -> Vectors:
    """A bump at the entity's year; year 0 is not known."""
    known = year_E[year_E > 0]
    if not len(known):
        return np.zeros((len(year_E), 0), np.float32)
    year_C = np.arange(known.min(), known.max() + 1)
    apart_EC = (year_E[:, None] - year_C) / YEARS_ALIKE
    bump_EC: Vectors = (np.exp(-(apart_EC**2)) * (year_E > 0)[:, None]).astype(np.float32)
    return bump_EC


def _people(people_EP: npt.NDArray[np.int64]) -> Vectors:
    names = int(people_EP.max(initial=0))
    if not names:
        return np.zeros((len(people_EP), 0), np.float32)
    count_N = np.maximum(np.bincount(people_EP.ravel(), minlength=names + 1), 1)
    weight_N = np.log1p(len(people_EP) / count_N)
    weight_N[0] = 0.0  # no name
    projection_NC = np.random.default_rng(SEED).standard_normal((names + 1, PEOPLE_COMPONENTS))
    summed_EC: Vectors = (projection_NC * weight_N[:, None])[people_EP].sum(1).astype(np.float32)
    return summed_EC
