"""A protocol, its systems and what came of them.

Letters: T targets.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pagecast.trainer.evaluation.answering import answer
from pagecast.trainer.evaluation.interactions import Interactions
from pagecast.trainer.evaluation.intervals import Bootstrap
from pagecast.trainer.evaluation.ranks import (
    Gains,
    Ranks,
    hit_gains,
    ndcg_gains,
    reciprocal_ranks,
)
from pagecast.trainer.evaluation.report import (
    REFERENCE,
    Both,
    Figures,
    Report,
    Slice,
    SystemReport,
)
from pagecast.trainer.evaluation.requests import FRESH, Plan
from pagecast.trainer.evaluation.slices import slices
from pagecast.trainer.evaluation.system import Candidate, Family, System


@dataclass(frozen=True, kw_only=True)
class EvaluationProgress:
    """Where an evaluation is: `stage` is "choose", "fit" or "score"."""

    system: str
    seed: int
    stage: str
    share_done: float


Progress = Callable[[EvaluationProgress], None]


def evaluate(
    plan: Plan,
    families: Sequence[Family],
    *,
    data_name: str,
    id_prefix: str = "",
    progress: Progress = lambda _: None,
) -> Report:
    """Evaluates every family; the others are compared with the reference if it is among them."""
    data = plan.test.part.data
    results = [_evaluate(plan, family, progress) for family in families]
    references = [result for result in results if result.report.name == REFERENCE]
    reference = references[0].gain_T if references else None
    return Report(
        protocol=plan.protocol,
        data=data_name,
        split_sha256=data.split_sha256(id_prefix),
        users=len(np.unique(data.user_X)),
        entities=len(data.entities),
        interactions=len(data),
        targets=len(plan.test.targets()),
        systems=tuple(_compared(data, plan, result, reference) for result in results),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Result:
    """A system's report, and the masked NDCG@10 of each target, mean of the seeds."""

    report: SystemReport
    gain_T: Gains


def _compared(
    data: Interactions, plan: Plan, result: _Result, reference_T: Gains | None
) -> SystemReport:
    if reference_T is None or result.report.name == REFERENCE:
        return result.report
    bootstrap = Bootstrap(data.user_X[plan.test.targets()])
    return replace(result.report, difference=bootstrap.difference(result.gain_T, reference_T))


def _evaluate(plan: Plan, family: Family, progress: Progress) -> _Result:
    began_s = time.process_time()
    runs = [_Run(plan, family, seed, progress) for seed in family.seeds]
    cpu_seconds = time.process_time() - began_s
    bootstrap = Bootstrap(plan.test.part.data.user_X[plan.test.targets()])
    by_delay = {
        delay_s: _figures([run.answers[delay_s] for run in runs], bootstrap)
        for delay_s in plan.tests
    }
    fresh = [run.answers[FRESH] for run in runs]
    gain_T = _mean_gains(fresh)["masked", "ndcg"]
    report = SystemReport(
        name=family.name,
        figures=by_delay[FRESH],
        cpu_seconds=cpu_seconds,
        chosen=runs[0].chosen,
        slices=_slices(plan, gain_T),
        staleness=by_delay,
        seeds={
            seed: _figures([ranks], bootstrap)
            for seed, ranks in zip(family.seeds, fresh, strict=True)
        },
    )
    return _Result(report=report, gain_T=gain_T)


class _Run:
    """One seed of a family: choose, fit, answer."""

    def __init__(self, plan: Plan, family: Family, seed: int, progress: Progress) -> None:
        self._plan = plan
        self._told = partial(_tell, progress, family.name, seed)
        chosen = self._choose(family.candidates(seed))
        self.chosen = chosen.chosen
        self.answers = self._answers(chosen.make())

    def _choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """The best masked NDCG@10 on validation; of equal ones the first."""
        best, best_ndcg = candidates[0], -1.0
        if len(candidates) == 1:
            return best
        validation = self._plan.validation
        for number, candidate in enumerate(candidates):
            system = candidate.make()
            system.fit(validation.part, lambda _: None)
            ndcg = float(ndcg_gains(answer(system, validation).masked_T).mean())
            if ndcg > best_ndcg:
                best, best_ndcg = candidate, ndcg
            self._told("choose", (number + 1) / len(candidates))
        return best

    def _answers(self, system: System) -> dict[float, Ranks]:
        """Ranks by delay. What learns begins anew for each, the rest is fitted once."""
        answers = dict[float, Ranks]()
        for number, (delay_s, split) in enumerate(self._plan.tests.items()):
            if not answers or system.learns:
                system.fit(split.part, partial(self._told, "fit"))
            answers[delay_s] = answer(system, split, self._share_of(number))
        return answers

    def _share_of(self, number: int) -> Callable[[float], None]:
        return lambda share: self._told("score", (number + share) / len(self._plan.tests))


def _tell(progress: Progress, system: str, seed: int, stage: str, share: float) -> None:
    progress(EvaluationProgress(system=system, seed=seed, stage=stage, share_done=share))


_GAINS = {"ndcg": ndcg_gains, "hr": hit_gains, "mrr": reciprocal_ranks}


def _mean_gains(by_seed: Sequence[Ranks]) -> Mapping[tuple[str, str], Gains]:
    """Each target's mean over seeds, by what is masked and by figure."""
    means: dict[tuple[str, str], Gains] = {}
    for name, of in _GAINS.items():
        means["masked", name] = np.mean([of(ranks.masked_T) for ranks in by_seed], axis=0)
        means["unmasked", name] = np.mean([of(ranks.unmasked_T) for ranks in by_seed], axis=0)
    return means


def _figures(by_seed: Sequence[Ranks], bootstrap: Bootstrap) -> Both:
    gains = _mean_gains(by_seed)

    def figures(which: str) -> Figures:
        return Figures(
            ndcg_at_10=float(gains[which, "ndcg"].mean()),
            hr_at_10=float(gains[which, "hr"].mean()),
            mrr=float(gains[which, "mrr"].mean()),
            ndcg_at_10_interval=bootstrap.interval(gains[which, "ndcg"]),
        )

    return Both(masked=figures("masked"), unmasked=figures("unmasked"))


def _slices(plan: Plan, gain_T: Gains) -> Mapping[str, Slice]:
    return {
        name: Slice(
            targets=int(of_T.sum()), ndcg_at_10=float(gain_T[of_T].mean()) if of_T.any() else None
        )
        for name, of_T in slices(plan.test).items()
    }
