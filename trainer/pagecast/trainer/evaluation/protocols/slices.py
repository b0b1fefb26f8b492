"""Which targets are reported separately: where systems differ most.

Letters: T targets.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.answering import visible_counts
from pagecast.trainer.evaluation.protocols.requests import Split

SHORT_MAX = 20
"""Interactions of a short history: about one sitting."""


def slices(split: Split) -> Mapping[str, npt.NDArray[np.bool_]]:
    """Targets by the slice's name; a target may be in several, a slice may be empty.

    A device has a slice if the data name any.
    """
    data, target_T, fit_X = split.part.data, split.targets(), split.part.interactions()
    short_T = visible_counts(split) <= SHORT_MAX
    found = {
        "new users": ~np.isin(data.user_X[target_T], data.user_X[fit_X]),
        "new entities": ~np.isin(data.entity_X[target_T], data.entity_X[fit_X]),
        f"histories up to {SHORT_MAX}": short_T,
        f"histories above {SHORT_MAX}": ~short_T,
    }
    devices = data.devices()
    device_T = np.array([devices[x] for x in target_T.tolist()], np.str_)
    for device in sorted(set(device_T.tolist()) - {""}):
        found[f"device {device}"] = device_T == device
    return found
