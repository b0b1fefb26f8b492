"""Prequential evaluation on the next slice, beside honest baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.featurestore.vocabulary import Vocabulary
from pagecast.trainer.baselines import (
    LastItemCounter,
    RecentPopularity,
    best_half_life_days,
    run,
    timeline,
)
from pagecast.trainer.config import EngagementConfig
from pagecast.trainer.model import PageModel
from pagecast.trainer.predict import predictions
from pagecast.trainer.ranking import Tally
from pagecast.trainer.replay import UserSteps
from pagecast.trainer.snapshot import NothingToTrainError
from pagecast.trainer.users import UserColumns, columns

PROTOCOL = (
    "Prequential: every step after the training positions is one target, predicted once, in time "
    "order, from strictly earlier steps (steps of a user at the same moment do not see each "
    "other), then revealed, to the baselines too. Ranked among the full catalog; ties count "
    "against; a target the catalog lacks is a miss. pagecast: its distribution after "
    "[prompt, ROW top]; weights fixed, history growing. popularity: counts with the half-life "
    "({half_life:g} days) that was best on the newest tenth of the training steps. "
    "last_item_counter: how often an entity followed the user's last one, that popularity breaking "
    "ties. Headline: entities a user has seen are left out, as the rules leave them out of pages; "
    "_all: with them."
)


@dataclass(frozen=True, kw_only=True)
class Score:
    """Of one predictor; `_all` does not leave out what a user has seen."""

    hr_at_10: float
    ndcg_at_10: float
    hr_at_10_all: float
    ndcg_at_10_all: float


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How a model predicts the next slice, beside its baselines."""

    protocol: str
    targets: int
    users: int
    pagecast: Score
    popularity: Score
    last_item_counter: Score

    def metrics(self) -> dict[str, float]:
        """Flat, for manifest and registry: `ndcg_at_10`, `popularity_ndcg_at_10`..."""
        flat = {"targets": float(self.targets), **vars(self.pagecast)}
        for name in ("popularity", "last_item_counter"):
            scores = vars(getattr(self, name))
            flat |= {f"{name}_{key}": value for key, value in scores.items()}
        return flat


def evaluate(
    model: PageModel,
    vocabulary: Vocabulary,
    catalog: CatalogSnapshot,
    users: Sequence[UserSteps],
) -> Quality:
    """Evaluates on the steps that began after the training positions (`UserSteps.new_N`).

    Raises NothingToTrainError if there are none.
    """
    by_user = [columns(user, catalog, EngagementConfig()) for user in users]
    if not any(user.new_N.any() for user in users):
        raise NothingToTrainError(
            "no steps after the training positions to evaluate on: ingest later events first"
        )
    entities = len(catalog.entities)
    steps = timeline(by_user, [user.new_N for user in users], entities)
    half_life = best_half_life_days(steps)
    return Quality(
        protocol=PROTOCOL.format(half_life=half_life),
        targets=int(steps.target_X.sum()),
        users=sum(bool(user.new_N.any()) for user in users),
        pagecast=_score(_run_model(model, vocabulary, catalog, users, by_user)),
        popularity=_score(run(RecentPopularity(entities, half_life), steps)),
        last_item_counter=_score(run(LastItemCounter(entities, half_life), steps)),
    )


def _score(tallies: Mapping[bool, Tally]) -> Score:
    without_seen, every = tallies[True], tallies[False]
    return Score(
        hr_at_10=without_seen.hr,
        ndcg_at_10=without_seen.ndcg,
        hr_at_10_all=every.hr,
        ndcg_at_10_all=every.ndcg,
    )


def _run_model(
    model: PageModel,
    vocabulary: Vocabulary,
    catalog: CatalogSnapshot,
    users: Sequence[UserSteps],
    by_user: Sequence[UserColumns],
) -> dict[bool, Tally]:
    tallies = {True: Tally(), False: Tally()}
    for prediction in predictions(model, vocabulary, catalog, users, by_user):
        for target in prediction.targets:
            tallies[False].add(prediction.score_N, target)
            tallies[True].add(prediction.score_N, target, prediction.seen_N)
    return tallies
