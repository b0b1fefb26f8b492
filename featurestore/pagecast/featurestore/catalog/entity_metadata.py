"""Metadata with several values per entity: names and content embeddings, as arrays.

Letters: E entities, W indices of an entity, C dimensions of all content embeddings, N their names.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.catalog.content import ContentVector


def first_indices(
    names: Sequence[Sequence[str]], index: Mapping[str, int], width: int
) -> npt.NDArray[np.int64]:
    """Indices [E, W] of each entity's first `width` known names, each once, then 0.

    A name that the index lacks takes no place: the unknown says nothing.
    """
    indices_EW = np.zeros((len(names), width), np.int64)
    for row, of_entity in enumerate(names):
        known = [index[name] for name in dict.fromkeys(of_entity) if name in index][:width]
        indices_EW[row, : len(known)] = known
    return indices_EW


def content_features(
    contents: Sequence[Sequence[ContentVector]], embeddings: Sequence[tuple[str, int]]
) -> dict[str, npt.NDArray[np.float32]]:
    """`content_EC`, unit vectors side by side in the order of `embeddings`, and `has_content_EN`.

    A missing vector is zeros. So is one with other dimensions than `embeddings` says: it belongs to
    another space, and one entity's mistake must not spoil the others.
    """
    slices: dict[tuple[str, int], tuple[int, slice]] = {}
    end = 0
    for column, (name, dimensions) in enumerate(embeddings):
        slices[name, dimensions] = (column, slice(end, end + dimensions))
        end += dimensions
    content_EC = np.zeros((len(contents), end), np.float32)
    has_content_EN = np.zeros((len(contents), len(embeddings)), np.float32)
    for row, vectors in enumerate(contents):
        for vector in vectors:
            if (vector.name, vector.dimensions) in slices:
                column, place = slices[vector.name, vector.dimensions]
                content_EC[row, place] = vector.values_C
                has_content_EN[row, column] = 1.0
    return {"content_EC": content_EC, "has_content_EN": has_content_EN}
