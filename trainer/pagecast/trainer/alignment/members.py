"""Members of logged pages: whose pages are learned from, who judges, how much one may weigh."""

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def learned_from(user_id: str, salt: str) -> bool:
    """Whether a member is of the half that reward models are trained on; the others judge them.

    A salted hash: the answer is always the same, and no member has pages on both sides.
    """
    return hashlib.sha256(f"{salt}/{user_id}".encode()).digest()[0] % 2 == 0


def member_weights(user_ids: Sequence[str], weight_max: int) -> npt.NDArray[np.float64]:
    """`weight_N` of each page: 1, or less for members with more than `weight_max` pages.

    All pages of one member together weigh at most `weight_max`.
    """
    pages = Counter(user_ids)
    return np.array([min(1.0, weight_max / pages[user_id]) for user_id in user_ids], np.float64)
