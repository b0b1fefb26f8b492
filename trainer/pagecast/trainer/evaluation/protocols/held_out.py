"""A user's steps as if some of them had never been.

Letters: N steps of a user.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pagecast.trainer.data.replay import LeftBehind, UserSteps


def keep_steps(user: UserSteps, keep_N: npt.NDArray[np.bool_]) -> UserSteps:
    """The steps to keep; a window begins with the first of them that was in it.

    What had left a window is still summed by row, because a row's sum does not tell its steps;
    by entity it is summed only for entities that are kept at all.
    """
    if keep_N.all():
        return user
    before_N = np.concatenate([[0], np.cumsum(keep_N)])
    steps = tuple(step for step, keep in zip(user.steps, keep_N.tolist(), strict=True) if keep)
    kept = {step.entity_id for step in steps}
    return replace(
        user,
        steps=steps,
        first_N=before_N[user.first_N][keep_N],
        cut_N=user.cut_N[keep_N],
        new_N=user.new_N[keep_N],
        left_behind={
            int(before_N[first]): LeftBehind(
                {name: total for name, total in left.entities.items() if name in kept}, left.rows
            )
            for first, left in user.left_behind.items()
        },
    )
