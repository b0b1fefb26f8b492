"""Embeddings of a release in the axes of the release before (docs/papers.md 3.4).

First a canonical form: scores S = T W^T, of entities T and users W, say nothing of the axes of T
and W, so those are chosen by S alone: T M_T = U S^(1/2), W M_W = V S^(1/2). It is made from the two
Gram matrices, whose roots are as small as the embeddings are wide: S itself is never held. Then the
rotation that brings common entities nearest to where they were published last (Procrustes).

Letters: E entities, U users, C common entities, O width of embeddings, P of published ones.
"""

import numpy as np
import numpy.typing as npt

from pagecast.engine.vectors.stabilisation import Map, Stabilisation

Embeddings = npt.NDArray[np.float32] | npt.NDArray[np.float64]

RIDGE = 1e-6
"""Added to the Gram matrices' diagonals, by their mean. Directions that entities or users hardly
have, or none because they are fewer than the width, would be blown up without limit otherwise."""


def canonical(entity_EO: Embeddings, user_UO: Embeddings, ridge: float = RIDGE) -> Stabilisation:
    """The map to the axes that depend on the scores alone, those that explain most of them first.

    It keeps every product, even of embeddings that are not among these, whatever the ridge is:
    M_T M_W^T = R_W^T (R_T R_W^T)^-1 R_T = 1 for any two invertible roots.
    """
    entity_OO, user_OO = _root(entity_EO, ridge), _root(user_UO, ridge)
    left_OP, scale_P, right_PO = np.linalg.svd(entity_OO @ user_OO.T)
    return Stabilisation(
        entity_OP=user_OO.T @ right_PO.T / np.sqrt(scale_P),
        user_OP=entity_OO.T @ left_OP / np.sqrt(scale_P),
    )


def _root(table_XO: Embeddings, ridge: float) -> Map:
    """R of R^T R = the mean square of a table, which is invertible whatever the table is."""
    exact_XO: Map = table_XO.astype(np.float64)
    gram_OO: Map = exact_XO.T @ exact_XO / max(len(exact_XO), 1)
    mean = float(np.trace(gram_OO)) / len(gram_OO)
    gram_OO += np.eye(len(gram_OO)) * (ridge * mean if mean > 0.0 else 1.0)
    root_OO: Map = np.linalg.cholesky(gram_OO).T.astype(np.float64)
    return root_OO


def rotation(now_CP: Embeddings, before_CP: Embeddings) -> Map:
    """The orthogonal R for which `now_CP @ R` is nearest to `before_CP`."""
    product_PP = now_CP.astype(np.float64).T @ before_CP.astype(np.float64)
    left_PP, _, right_PP = np.linalg.svd(product_PP)
    rotation_PP: Map = left_PP @ right_PP
    return rotation_PP


def rotated(stabilisation: Stabilisation, rotation_PP: Map) -> Stabilisation:
    """The same map with other axes: both sides turn together, so products stay."""
    return Stabilisation(
        entity_OP=stabilisation.entity_OP @ rotation_PP,
        user_OP=stabilisation.user_OP @ rotation_PP,
    )
