"""A user's steps as if some entities had never been."""

from dataclasses import replace

import numpy as np

from pagecast.trainer.replay import LeftBehind, UserSteps


def without_entities(user: UserSteps, entities: frozenset[str]) -> UserSteps:
    """The steps of other entities; a window begins with the first of them that was in it.

    What had left a window is still summed by row: a row's sum does not say of which entities.
    """
    if not entities:
        return user
    keep_N = np.array([step.entity_id not in entities for step in user.steps], np.bool_)
    before_N = np.concatenate([[0], np.cumsum(keep_N)])
    return replace(
        user,
        steps=tuple(step for step, keep in zip(user.steps, keep_N, strict=True) if keep),
        first_N=before_N[user.first_N][keep_N],
        cut_N=user.cut_N[keep_N],
        new_N=user.new_N[keep_N],
        left_behind={
            int(before_N[first]): _left(left, entities) for first, left in user.left_behind.items()
        },
    )


def _left(left: LeftBehind, entities: frozenset[str]) -> LeftBehind:
    kept = {name: total for name, total in left.entities.items() if name not in entities}
    return LeftBehind(kept, left.rows)
