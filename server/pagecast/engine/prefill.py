"""The inputs of the prefill graph: a prompt's positions, and its old steps in groups.

Letters in names: B batch (1), T prompt positions, G groups of old steps, M steps of a group, F
fields, D width.
"""

import numpy as np
import numpy.typing as npt

from pagecast.engine.graph import Array, FloatArray
from pagecast.featurestore.compression import STEPS_OF_A_GROUP, steps_compressed


def prefill_inputs(
    entity_TD: FloatArray, fields_TF: npt.NDArray[np.int64], *, prefix: int, keep: int
) -> dict[str, Array]:
    """The graph's inputs by name.

    `prefix` is `EncodedPrompt.prefix`, the profile and a position for every step; `keep` the
    model's `compress_keep`.
    """
    if not keep:
        return {"entity_BTD": entity_TD[None], "fields_BTF": fields_TF[None]}
    compressed = steps_compressed(prefix - 1, keep)
    old, groups = slice(1, 1 + compressed), (1, compressed // STEPS_OF_A_GROUP, STEPS_OF_A_GROUP)
    return {
        "entity_BTD": np.delete(entity_TD, old, axis=0)[None],
        "fields_BTF": np.delete(fields_TF, old, axis=0)[None],
        "old_entity_BGMD": entity_TD[old].reshape(*groups, entity_TD.shape[1]),
        "old_fields_BGMF": fields_TF[old].reshape(*groups, fields_TF.shape[1]),
    }
