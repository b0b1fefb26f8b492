"""What a training or a bundle predicts of the log's next slice, beside its baselines."""

from collections.abc import Sequence
from dataclasses import dataclass

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.figures.intervals import Bootstrap, Difference
from pagecast.trainer.evaluation.figures.of_seeds import figures_of
from pagecast.trainer.evaluation.figures.ranks import ndcg_gains
from pagecast.trainer.evaluation.one_run import Run
from pagecast.trainer.evaluation.protocols.chronological import next_slice_plan
from pagecast.trainer.evaluation.protocols.interactions import interactions_of
from pagecast.trainer.evaluation.protocols.requests import FRESH, Plan
from pagecast.trainer.evaluation.systems.last_item import LastItemCounter
from pagecast.trainer.evaluation.systems.popularity import half_life_days, popularity_candidates
from pagecast.trainer.evaluation.systems.system import Candidate, Family, System
from pagecast.trainer.evaluation.systems.trained_system import TrainedSystem
from pagecast.trainer.network.model import PageModel

PROTOCOL = (
    "Prequential: every interaction (a step with an entity and an engagement above 0) after the "
    "training positions is one target, predicted once, in time order, from strictly earlier steps "
    "(steps of a user at the same moment do not see each other), then revealed, to the baselines "
    "too. Ranked among the full catalog; ties count against; a target the catalog lacks is a miss. "
    "pagecast: its distribution after [prompt, ROW top]; weights fixed, history growing. "
    "popularity: counts with the half-life ({half_life} days) that was best on the newest tenth "
    "(2,000 at most) of the training's interactions. last_item_counter: how often an entity "
    "followed the user's last one, that popularity breaking ties. Headline: entities a user has "
    "seen are left out, as the rules leave them out of pages; _all: with them. _low and _high: the "
    "middle 95 % of resamples of the users."
)


@dataclass(frozen=True, kw_only=True)
class Score:
    """Of one predictor; `_all` does not leave out what a user has seen."""

    hr_at_10: float
    ndcg_at_10: float
    ndcg_at_10_low: float
    ndcg_at_10_high: float
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
    over_popularity: Difference
    """Of NDCG@10, masked, on the same targets."""
    over_champion: Difference | None = None
    """The same over the champion; None if the evaluation was not given one."""
    hallucination_rate: float | None = None
    """`AskedModel.hallucination_rate`: what the mask keeps from coming out."""

    def metrics(self) -> dict[str, float]:
        """Flat, for manifest and registry: `ndcg_at_10`, `popularity_ndcg_at_10`..."""
        flat = {"targets": float(self.targets), **vars(self.pagecast)}
        for name in ("popularity", "last_item_counter"):
            scores = vars(getattr(self, name))
            flat |= {f"{name}_{key}": value for key, value in scores.items()}
        for name in ("over_popularity", "over_champion"):
            difference: Difference | None = getattr(self, name)
            if difference is not None:
                flat[f"{name}_ndcg_at_10"] = difference.mean
                flat[f"{name}_ndcg_at_10_low"] = difference.interval.low
                flat[f"{name}_ndcg_at_10_high"] = difference.interval.high
        if self.hallucination_rate is not None:
            flat["hallucination_rate"] = self.hallucination_rate
        return flat


def next_slice_quality(
    model: PageModel,
    vocabulary: Vocabulary,
    catalog: CatalogSnapshot,
    users: Sequence[UserSteps],
) -> Quality:
    """Evaluates on the interactions after the training positions (`UserSteps.new_N`).

    Raises NothingToTrainError if there are none.
    """
    return quality_on(slice_plan(catalog, users), model, vocabulary)


def quality_on(
    plan: Plan,
    model: PageModel,
    vocabulary: Vocabulary,
    champion: System | None = None,
) -> Quality:
    """Evaluates on a plan's targets, and a champion beside it if one is given."""
    popularity = _run(plan, popularity_candidates(0))
    days = half_life_days(popularity.chosen)
    counter = _run(plan, [Candidate(chosen={}, make=lambda: LastItemCounter(days))])
    system = TrainedSystem(model, vocabulary)
    ours = _run(plan, [Candidate(chosen={}, make=lambda: system)])
    user_T = plan.data.user_X[plan.test.targets()]
    bootstrap = Bootstrap(user_T)
    theirs = None
    if champion is not None:
        theirs = _run(plan, [Candidate(chosen={}, make=lambda: champion)])
    return Quality(
        protocol=PROTOCOL.format(half_life=f"{days:g}"),
        targets=len(user_T),
        users=len(set(user_T.tolist())),
        pagecast=_score(ours, bootstrap),
        popularity=_score(popularity, bootstrap),
        last_item_counter=_score(counter, bootstrap),
        over_popularity=_difference(ours, popularity, bootstrap),
        over_champion=None if theirs is None else _difference(ours, theirs, bootstrap),
        hallucination_rate=system.hallucination_rate,
    )


def slice_plan(catalog: CatalogSnapshot, users: Sequence[UserSteps]) -> Plan:
    """What is asked of the slice after the training positions. Raises NothingToTrainError."""
    try:
        plan = next_slice_plan(interactions_of(users, catalog))
    except EvaluationError as error:
        raise NothingToTrainError(str(error)) from error
    if not plan.test.requests:
        raise NothingToTrainError(
            "no interactions after the training positions to evaluate on: ingest later events first"
        )
    return plan


def _run(plan: Plan, candidates: Sequence[Candidate]) -> Run:
    return Run(plan, Family(name="", candidates=lambda _: candidates), 0, lambda _: None)


def _score(run: Run, bootstrap: Bootstrap) -> Score:
    both = figures_of([run.answers[FRESH]], bootstrap)
    interval = both.masked.ndcg_at_10_interval
    return Score(
        hr_at_10=both.masked.hr_at_10,
        ndcg_at_10=both.masked.ndcg_at_10,
        ndcg_at_10_low=interval.low,
        ndcg_at_10_high=interval.high,
        hr_at_10_all=both.unmasked.hr_at_10,
        ndcg_at_10_all=both.unmasked.ndcg_at_10,
    )


def _difference(run: Run, other: Run, bootstrap: Bootstrap) -> Difference:
    gains = [ndcg_gains(one.answers[FRESH].masked_T) for one in (run, other)]
    return bootstrap.difference(*gains)
