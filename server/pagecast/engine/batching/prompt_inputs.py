"""The inputs of the prompt graph: a prompt's positions, and its old steps in groups.

A model that compresses is fed fewer positions than a prompt is encoded in: that of the profile, one
for each group of old steps, then the others.

Letters in names: B batch (1), T positions as encoded, G groups of old steps, M steps of a group, F
fields, D width.
"""

import numpy as np
import numpy.typing as npt

from pagecast.engine.graph import Array, FloatArray
from pagecast.featurestore.prompt.compression import STEPS_OF_A_GROUP


def prompt_inputs(
    entity_TD: FloatArray, fields_TF: npt.NDArray[np.int64], *, compresses: bool, compressed: int
) -> dict[str, Array]:
    """The graph's inputs by name.

    `compressed` counts the steps that share positions, which follow the first position; if there
    are none, the positions may begin anywhere in a prompt. `compresses` says whether the model ever
    compresses: then the graph has inputs for groups.
    """
    if not compresses:
        return {"entity_BTD": entity_TD[None], "fields_BTF": fields_TF[None]}
    old, groups = slice(1, 1 + compressed), (1, compressed // STEPS_OF_A_GROUP, STEPS_OF_A_GROUP)
    return {
        "entity_BTD": np.delete(entity_TD, old, axis=0)[None],
        "fields_BTF": np.delete(fields_TF, old, axis=0)[None],
        "old_entity_BGMD": entity_TD[old].reshape(*groups, entity_TD.shape[1]),
        "old_fields_BGMF": fields_TF[old].reshape(*groups, fields_TF.shape[1]),
    }


def positions_fed(encoded: int, compressed: int) -> int:
    """How many of the positions fed are made only from the first `encoded` ones.

    A group counts once all its steps are among them.
    """
    old = min(compressed, max(0, encoded - 1))
    return encoded - old + old // STEPS_OF_A_GROUP
