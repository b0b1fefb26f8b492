"""Logged impressions as arrays: what was said of each before it was seen, and what came of it.

Letters: X impressions, of entities or of rows.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.trainer.evaluation.figures.auc import Floats
from pagecast.trainer.page_config import PostTrainConfig
from pagecast.v1 import events_pb2

ORDINARY = RewardConfig()
"""What outcomes are worth unless told otherwise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Impressions:
    """`said_X` is the log-probability under the mask, `place_X` the position from 0.

    `reward_X` is above 0 where it was liked; its size is the impression's weight. Where it is 0,
    the weight is what post-training gives to what was passed over.
    """

    user_X: npt.NDArray[np.int64]
    said_X: Floats
    place_X: Floats
    reward_X: Floats

    def __len__(self) -> int:
        return len(self.said_X)

    @property
    def weight_X(self) -> Floats:
        passed_over = PostTrainConfig().passed_over_weight
        return np.where(self.reward_X == 0, passed_over, np.abs(self.reward_X))


@dataclass(frozen=True, kw_only=True, eq=False)
class LoggedImpressions:
    """Of the pages that a model made; `sha256` is of `user,page` lines in their order."""

    pages: int
    users: int
    entities: Impressions
    rows: Impressions
    sha256: str


def logged_impressions(
    pages: Iterable[LoggedPageOutcome], rewards: RewardConfig = ORDINARY
) -> LoggedImpressions:
    """The entities that were seen or acted upon, and the rows that hold any, with their rewards.

    Pages without a model said nothing and are left out.
    """
    users: dict[str, int] = {}
    entities, rows = list[_Row](), list[_Row]()
    digest, count = hashlib.sha256(), 0
    for page in pages:
        if not page.model_version:
            continue
        digest.update(f"{page.user_id},{page.page_id}\n".encode())
        count += 1
        user = users.setdefault(page.user_id, len(users))
        served = events_pb2.PageServed.FromString(page.value)
        by_row: dict[int, list[float]] = defaultdict(list)
        for outcome in page.entities:
            row, place = outcome.row_position, outcome.entity_position
            value = rewards.entity(outcome)
            said = served.rows[row].entity_log_probabilities[place]
            entities.append((user, said, float(place), value))
            by_row[row].append(value)
        rows += [
            (user, served.rows[row].log_probability, float(row), rewards.of_row(values))
            for row, values in by_row.items()
        ]
    return LoggedImpressions(
        pages=count,
        users=len(users),
        entities=_columns(entities),
        rows=_columns(rows),
        sha256=digest.hexdigest(),
    )


_Row = tuple[int, float, float, float]
"""User, log-probability, place, reward."""


def _columns(rows: Sequence[_Row]) -> Impressions:
    user_X, said_X, place_X, reward_X = np.array(rows, np.float64).reshape(-1, 4).T
    return Impressions(
        user_X=user_X.astype(np.int64), said_X=said_X, place_X=place_X, reward_X=reward_X
    )
