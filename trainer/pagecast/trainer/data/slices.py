"""What an incremental run learns from: all new requests, and old ones of a few users.

Letters: N steps of a user, C cuts.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.pages.shown import Shown


def draw_replayed(
    old: Mapping[str, int], new: int, share: float, seed: Sequence[int]
) -> frozenset[str]:
    """Users drawn at random until their `old` requests are about `share` of old and new ones.

    `old` are requests by user; the seed is of several numbers, so that every run of a line draws
    others. Drawn once per run: only what is drawn has to be read and folded, so that learning costs
    in proportion to the slice, not to the log.
    """
    wanted = new * share / (1.0 - share)
    users = sorted(user for user, count in old.items() if count)
    drawn: list[str] = []
    had = 0
    for number in np.random.default_rng(seed).permutation(len(users)).tolist():
        if had >= wanted:
            break
        drawn.append(users[number])
        had += old[users[number]]
    return frozenset(drawn)


def learned_cuts(
    users: Sequence[UserSteps], replayed: frozenset[str]
) -> tuple[npt.NDArray[np.int64], ...]:
    """For a replayed user every step, for any other the new ones (`UserSteps.new_N`)."""
    return tuple(
        np.arange(len(user.steps)) if user.user_id in replayed else np.flatnonzero(user.new_N)
        for user in users
    )


def shown_since(shown: Shown, newest_ms: int, replayed: frozenset[str]) -> Shown:
    """Pages asked for after the base's newest event, and all of replayed users."""
    pages = tuple(
        page
        for page in shown.pages
        if page.prompt.request.at_ms > newest_ms or page.user_id in replayed
    )
    return Shown(pages=pages, unlike=shown.unlike, older=shown.older)
