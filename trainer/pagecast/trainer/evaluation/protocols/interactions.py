"""Users' steps as one table of interactions: what an evaluation splits, hides and predicts.

Letters: X interactions, U users, N entities.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.trainer.config import EngagementConfig
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.users import columns
from pagecast.trainer.evaluation.errors import EvaluationError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Interactions:
    """Steps with an entity and an engagement weight above 0, ordered by (user, time, log).

    `entities` are the catalog's, by its index, then those that only the steps name. `step_X` is
    the place in the user's own steps; user u has the interactions `begin_U[u]` to
    `begin_U[u + 1]`.
    """

    catalog: CatalogSnapshot
    users: tuple[UserSteps, ...]
    entities: tuple[str, ...]
    user_X: Ints
    entity_X: Ints
    step_X: Ints
    at_ms_X: Ints
    begin_U: Ints

    def __len__(self) -> int:
        return len(self.user_X)

    def of(self, user: int) -> slice:
        """The interactions of a user."""
        return slice(int(self.begin_U[user]), int(self.begin_U[user + 1]))

    def in_time_order(self) -> Ints:
        """All interactions by time; at one moment as they stand here: by user, then log."""
        return np.argsort(self.at_ms_X, kind="stable")

    def devices(self) -> tuple[str, ...]:
        """The device of each interaction, "" where it is not known."""
        return tuple(
            self.users[user].steps[step].device
            for user, step in zip(self.user_X.tolist(), self.step_X.tolist(), strict=True)
        )

    def split_sha256(self, id_prefix: str = "") -> str:
        """SHA-256 of `user,entity,seconds` lines: the same digest means the same data.

        `id_prefix` is what an importer put before the ids of the data's source. Seconds have three
        decimals only where milliseconds are not zero.
        """
        digest = hashlib.sha256()
        names = [name.removeprefix(id_prefix) for name in self.entities]
        for user, entity, at_ms in zip(
            self.user_X.tolist(), self.entity_X.tolist(), self.at_ms_X.tolist(), strict=True
        ):
            line = f"{self.users[user].user_id},{names[entity]},{_seconds(at_ms)}\n"
            digest.update(line.encode())
        return digest.hexdigest()


def interactions_of(
    users: Sequence[UserSteps],
    catalog: CatalogSnapshot,
    engagement: EngagementConfig = EngagementConfig(),  # noqa: B008 (frozen)
) -> Interactions:
    """Lays users' steps out as interactions. Raises EvaluationError if there is none.

    Users are ordered as integers if all their ids are decimal, else as text.
    """
    ordered = _ordered(users)
    index = dict(catalog.entity_index)
    rows: list[tuple[int, int, int, int]] = []
    begins = [0]
    for number, user in enumerate(ordered):
        weight_N = columns(user, catalog, engagement).weight_N.tolist()
        for place, (step, weight) in enumerate(zip(user.steps, weight_N, strict=True)):
            if step.entity_id and weight > 0:
                entity = index.setdefault(step.entity_id, len(index))
                rows.append((number, entity, place, step.occurred_at_ms))
        begins.append(len(rows))
    if not rows:
        raise EvaluationError(
            "data: no interaction in it; give events with an entity (clicks, plays, ratings...)"
        )
    user_X, entity_X, step_X, at_ms_X = np.array(rows, np.int64).T.copy()
    return Interactions(
        catalog=catalog,
        users=ordered,
        entities=tuple(index),
        user_X=user_X,
        entity_X=entity_X,
        step_X=step_X,
        at_ms_X=at_ms_X,
        begin_U=np.array(begins, np.int64),
    )


def _ordered(users: Sequence[UserSteps]) -> tuple[UserSteps, ...]:
    if all(user.user_id.isascii() and user.user_id.isdecimal() for user in users):
        return tuple(sorted(users, key=lambda user: (int(user.user_id), user.user_id)))
    return tuple(sorted(users, key=lambda user: user.user_id))


def _seconds(at_ms: int) -> str:
    seconds, milliseconds = divmod(at_ms, 1000)
    return f"{seconds}.{milliseconds:03d}" if milliseconds else str(seconds)
