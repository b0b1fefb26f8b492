"""A protocol, its systems and what came of them.

Letters: T targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pagecast.trainer.evaluation.figures.intervals import Bootstrap
from pagecast.trainer.evaluation.figures.of_seeds import figures_of, mean_gains, slice_figures
from pagecast.trainer.evaluation.figures.ranks import Gains
from pagecast.trainer.evaluation.one_run import Progress, Run
from pagecast.trainer.evaluation.pages.page_asked import AskedPage
from pagecast.trainer.evaluation.pages.page_sample import PageAsk, sample_pages
from pagecast.trainer.evaluation.protocols.requests import FRESH, Plan, Split
from pagecast.trainer.evaluation.reports.report import Report, SystemReport
from pagecast.trainer.evaluation.systems.system import Family


def evaluate(
    plan: Plan,
    families: Sequence[Family],
    *,
    data_name: str,
    id_prefix: str = "",
    pages: PageAsk | None = None,
    progress: Progress = lambda _: None,
) -> Report:
    """Evaluates every family, and compares the others with the reference if it is among them.

    With `pages`, systems that can make whole pages do so for a sample of the test's requests.
    """
    data = plan.data
    asked = sample_pages(plan.test, pages) if pages is not None else ()
    results = [_evaluate(plan, family, asked, progress) for family in families]
    references = [result for result in results if result.report.name == plan.reference]
    reference = references[0].gain_T if references else None
    return Report(
        protocol=plan.protocol,
        data=data_name,
        split_sha256=data.split_sha256(id_prefix),
        users=len(np.unique(data.user_X)),
        entities=len(data.entities),
        interactions=len(data),
        targets=len(plan.test.targets()),
        systems=tuple(_compared(plan, result, reference) for result in results),
        reference=plan.reference,
        retrain_every=plan.retrain_every,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Result:
    """A system's report, and the masked NDCG@10 of each target, mean of the seeds."""

    report: SystemReport
    gain_T: Gains


def _compared(plan: Plan, result: _Result, reference_T: Gains | None) -> SystemReport:
    if reference_T is None or result.report.name == plan.reference:
        return result.report
    difference = _resampled(plan.test).difference(result.gain_T, reference_T)
    return replace(result.report, difference=difference)


def _evaluate(
    plan: Plan, family: Family, asked: Sequence[AskedPage], progress: Progress
) -> _Result:
    """Pages are of the first seed alone."""
    runs = [
        Run(plan, family, seed, progress, () if number else asked)
        for number, seed in enumerate(family.seeds)
    ]
    bootstrap = _resampled(plan.test)
    by_delay = {
        delay_s: figures_of([run.answers[delay_s] for run in runs], bootstrap)
        for delay_s in plan.tests
    }
    fresh = [run.answers[FRESH] for run in runs]
    gain_T = mean_gains(fresh)["masked", "ndcg"]
    report = SystemReport(
        name=family.name,
        figures=by_delay[FRESH],
        cpu_seconds=sum(run.cpu_seconds for run in runs),
        chosen=runs[0].chosen,
        slices=slice_figures(plan.test, gain_T),
        staleness=by_delay,
        seeds={
            seed: figures_of([ranks], bootstrap)
            for seed, ranks in zip(family.seeds, fresh, strict=True)
        },
        beside={
            name: figures_of([run.beside[name] for run in runs], _resampled(split))
            for name, split in plan.beside.items()
        },
        pages=runs[0].pages,
    )
    return _Result(report=report, gain_T=gain_T)


def _resampled(split: Split) -> Bootstrap:
    return Bootstrap(split.part.data.user_X[split.targets()])
