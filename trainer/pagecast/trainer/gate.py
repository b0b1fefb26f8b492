"""The gate: what a challenger must meet to serve without anybody looking at it first.

It judges on the slice of the timeline that follows the training. Each criterion has a verdict of
its own and tells its figures, so that people can see why, and overrule it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.bundles.files import kind_of
from pagecast.engine.bundles.served_model import verify_served
from pagecast.engine.errors import EngineError
from pagecast.engine.model import Model
from pagecast.engine.multi_stage.bundle import load_multi_stage
from pagecast.engine.multi_stage.manifest import MULTI_STAGE
from pagecast.featurestore.history.steps import WATCHED_ACTIONS
from pagecast.featurestore.models.records import ModelRecord
from pagecast.featurestore.models.verdicts import Criterion, Verdict
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.rules.facts import RequestFacts
from pagecast.trainer.evaluation.figures.intervals import Difference
from pagecast.trainer.evaluation.pages.page_figures import page_figures
from pagecast.trainer.evaluation.pages.page_making import pages_of
from pagecast.trainer.evaluation.pages.page_sample import PageAsk, sample_pages
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.next_slice import Quality
from pagecast.trainer.evaluation.protocols.requests import Plan, Request
from pagecast.trainer.evaluation.systems.system import System
from pagecast.trainer.evaluation.systems.trained_system import TrainedSystem
from pagecast.trainer.export.bundle import load_model
from pagecast.trainer.export.parity import DIFFERENCE_MAX
from pagecast.trainer.multi_stage.system import MultiStageSystem

PAGES = 100
"""Pages that are checked rule by rule: they take seconds to decode, and a fault on one page in
thirty is missed one time in thirty."""

COVERED_MIN = 0.9
"""Least share of what people chose in the slice that the model must have met: the rest is placed by
its metadata alone. Not a share of the catalog: no training meets a long tail nobody watches."""


@dataclass(frozen=True, kw_only=True)
class Rival:
    """The champion a challenger is compared with, if there is one, and if it can be read.

    A multi-stage baseline has no next-entity distribution; its entity ranker is asked instead.
    """

    version: str | None = None
    system: System | None = None
    unreadable: str = ""

    @classmethod
    def of(cls, champion: ModelRecord | None, bundles: Path) -> Self:
        if champion is None:
            return cls()
        try:
            system = _system_of(bundles / champion.bundle)
        except (EngineError, KeyError, RuntimeError, ValueError) as error:
            # Damaged, or of a format that this version no longer reads.
            return cls(version=champion.version, unreadable=str(error))
        return cls(version=champion.version, system=system)


def _system_of(bundle: Path) -> System:
    if kind_of(bundle) == MULTI_STAGE:
        return MultiStageSystem(load_multi_stage(bundle).tables)
    model, vocabulary, _ = load_model(bundle)
    return TrainedSystem(model, vocabulary)


def judge(bundle: Path, quality: Quality, plan: Plan, rival: Rival, users_min: int) -> Verdict:
    """What the gate says of a published bundle, evaluated with `quality` on the slice of `plan`.

    `users_min` is `TrainConfig.gate_users_min`.
    """
    return Verdict(
        champion=rival.version,
        judged_at_ms=time.time_ns() // 1_000_000,
        criteria=(
            _enough_asked(quality, users_min),
            *_criteria(bundle, quality, plan, rival),
        ),
    )


def _criteria(bundle: Path, quality: Quality, plan: Plan, rival: Rival) -> Iterator[Criterion]:
    yield _not_worse(quality.over_champion, rival)
    yield _above_popularity(quality)
    try:
        verify_served(bundle)
        loaded = load_bundle(bundle)
        model = Model(loaded, plan.test.part.data.catalog)
    except EngineError as error:
        yield Criterion(name="graphs_equal_torch", passed=False, told=str(error))
        return
    yield _graphs_equal_torch(loaded)
    yield _covers_catalog(model, plan)
    yield _keeps_rules(model, plan)


def _enough_asked(quality: Quality, users_min: int) -> Criterion:
    """The other criteria's intervals come from resampling users: with only one, they have no
    width."""
    passed = quality.users >= users_min
    told = f"{_count(quality.targets, 'target')} of {_count(quality.users, 'user')}"
    told += "" if passed else f"; {users_min} users are needed: hold out more, or wait"
    return Criterion(name="enough_asked", passed=passed, told=told)


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}" + ("" if number == 1 else "s")


def _not_worse(difference: Difference | None, rival: Rival) -> Criterion:
    name = "not_worse_than_champion"
    if rival.version is None:
        return Criterion(name=name, passed=True, told="there is no champion")
    if difference is None:
        told = f"the champion {rival.version} cannot be read: {rival.unreadable}"
        return Criterion(name=name, passed=False, told=told)
    passed = difference.interval.high >= 0.0
    told = f"NDCG@10 {_told(difference)}"
    if isinstance(rival.system, MultiStageSystem):
        told += f", to the entity ranker of {rival.version}, a multi-stage baseline"
    return Criterion(name=name, passed=passed, told=told)


def _above_popularity(quality: Quality) -> Criterion:
    difference = quality.over_popularity
    told = f"NDCG@10 {_told(difference)}"
    return Criterion(name="above_popularity", passed=difference.mean > 0.0, told=told)


def _graphs_equal_torch(bundle: Bundle) -> Criterion:
    """The differences were measured at export; digests and canary outputs have been compared."""
    metrics = bundle.manifest.metrics.items()
    differences = [value for name, value in metrics if name.endswith("_difference_max")]
    worst = max(differences, default=float("inf"))
    told = f"largest difference {worst:.1e}, at most {DIFFERENCE_MAX:.0e}"
    return Criterion(name="graphs_equal_torch", passed=worst <= DIFFERENCE_MAX, told=told)


def _covers_catalog(model: Model, plan: Plan) -> Criterion:
    """The vocabulary knows enough of the chosen entities and all rows; embeddings are finite."""
    snapshot, vocabulary = model.snapshot, model.bundle.vocabulary
    known, chosen = _known(vocabulary, plan)
    rows = [row.row_id for row in snapshot.rows if not row.retired]
    rows_known = sum(row_id in vocabulary.row_ids for row_id in rows)
    tables = (model.entities.input_ND, model.entities.output_ND)
    finite = all(bool(np.isfinite(table_ND).all()) for table_ND in tables)
    told = (
        f"{known} of {chosen} choices are of entities it has met, {rows_known} of {len(rows)} rows"
    )
    told += "" if finite else "; some embeddings are not finite"
    passed = known >= COVERED_MIN * chosen and rows_known == len(rows) and finite
    return Criterion(name="covers_catalog", passed=passed, told=told)


def _known(vocabulary: Vocabulary, plan: Plan) -> tuple[int, int]:
    """The slice's choices of entities that the model has met, and all its choices."""
    entity_T = plan.data.entity_X[plan.test.targets()]
    known = set(vocabulary.entities)
    known_N = np.array([entity_id in known for entity_id in plan.data.entities], np.bool_)
    return int(known_N[entity_T].sum()), len(entity_T)


def _keeps_rules(model: Model, plan: Plan) -> Criterion:
    """The bundle's pages for the slice, read by a checker that shares no code with the masks."""
    asked = sample_pages(plan.test, PageAsk(facts_of=_facts_of, pages=PAGES))
    if not asked:
        told = "no page could be asked for: nobody chose something new in the slice"
        return Criterion(name="keeps_rules", passed=False, told=told)
    figures = page_figures(plan.test.part.data, asked, pages_of(model), says_probabilities=True)
    kept = round(figures.rules_kept * figures.pages)
    told = f"{kept} of {figures.pages} pages keep every rule"
    told += "".join(f"; {broken}" for broken in figures.broken)
    return Criterion(name="keeps_rules", passed=kept == figures.pages, told=told)


def _facts_of(data: Interactions, request: Request) -> RequestFacts:
    """What the rules depend on, of the steps that the request sees."""
    user = data.users[request.user]
    step = user.steps[request.step]
    seen = user.steps[: request.visible]
    return RequestFacts(
        at_ms=request.at_ms,
        device=step.device,
        country=step.country,
        maturity_limit=user.profile.maturity_limit,
        watched=frozenset(s.entity_id for s in seen if s.action in WATCHED_ACTIONS),
    )


def _told(difference: Difference) -> str:
    low, high = difference.interval.low, difference.interval.high
    return f"{difference.mean:+.4f} (95 % interval {low:+.4f} to {high:+.4f})"
