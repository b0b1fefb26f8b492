"""A codebook is learned: k-means of points, then of what each level leaves over.

Letters: V entities, L levels, K codes of a level, S width of what is coded.
"""

from collections import Counter

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.prompt.semantic_ids import (
    DIGITS_MAX,
    LEVELS,
    Codebook,
    CodebookError,
    Leaf,
    leaves,
    place,
)
from pagecast.trainer.semantic.kmeans import balanced_kmeans, size_max


def learn_codebook(fused_VS: npt.NDArray[np.float32], codes: int) -> Codebook:
    """Residual k-means (docs/papers.md 2.2 and 2.8); the same points give the same codebook.

    If more than DIGITS_MAX entities share three codes, the last of them move to the nearest codes
    with room behind their first one: so the first level stays balanced. Raises CodebookError if
    there are no entities, or more than the codes can tell apart.
    """
    if not len(fused_VS):
        raise CodebookError("no entity has an ID to make codes of: train on more events")
    if size_max(len(fused_VS), codes) > codes ** (LEVELS - 1) * DIGITS_MAX:
        raise CodebookError(
            f"{codes} codes a level cannot name {len(fused_VS)} entities: raise model.codes"
        )
    left_VS, centroids, nearest = fused_VS, [], []
    for _ in range(LEVELS):
        centroid_KS, code_V = balanced_kmeans(left_VS, codes)
        left_VS = left_VS - centroid_KS[code_V]
        centroids.append(centroid_KS)
        nearest.append(code_V)
    centroid_LKS = np.stack(centroids)
    code_VL = _told_apart(np.stack(nearest, axis=1), centroid_LKS, fused_VS)
    return Codebook(centroid_LKS=centroid_LKS, code_VL=code_VL)


def _told_apart(
    leaf_VL: npt.NDArray[np.int64],
    centroid_LKS: npt.NDArray[np.float32],
    fused_VS: npt.NDArray[np.float32],
) -> npt.NDArray[np.int64]:
    """`code_VL` with digits. An entity that finds room where it belongs keeps it."""
    taken: Counter[Leaf] = Counter()
    named = np.zeros((len(leaf_VL), LEVELS + 1), np.int64)
    outside = []
    for entity, leaf in enumerate(map(tuple, leaf_VL.tolist())):
        if taken[leaf] < DIGITS_MAX:
            named[entity] = place(taken, iter([leaf]))
        else:
            outside.append(entity)
    for entity in outside:
        first = int(leaf_VL[entity, 0])
        named[entity] = place(taken, leaves(centroid_LKS, fused_VS[entity], first))
    return named
