"""How unlike the entities of a page are, as GenPage measures it (docs/papers.md 1.9).

Letters: P pages, I entities of a page, N entities of the catalog, D width.
"""

from collections.abc import Sequence

import numpy as np

from pagecast.trainer.alignment.credit import Floats
from pagecast.trainer.alignment.policy import Policy, engine_model


def mean_distances(policy: Policy, pages: Sequence[Sequence[int]]) -> Floats:
    """`distance_P`: of two entities of a page, 1 minus the cosine of their input embeddings.

    Pages are catalog indices of their entities; NaN for a page with fewer than two.
    """
    input_ND = engine_model(policy).entities.input_ND
    unit_ND = input_ND / np.maximum(np.linalg.norm(input_ND, axis=1, keepdims=True), 1e-9)
    distance_P = np.full(len(pages), np.nan)
    for number, entities in enumerate(pages):
        count = len(entities)
        if count > 1:
            alike_II = unit_ND[list(entities)] @ unit_ND[list(entities)].T
            alike = (float(alike_II.sum()) - count) / (count * (count - 1))
            distance_P[number] = 1.0 - alike
    return distance_P
