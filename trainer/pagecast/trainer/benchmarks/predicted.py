"""One system by one protocol on the test part: what `pagecast evaluate` tells of it."""

from collections.abc import Callable
from dataclasses import replace

from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.requests import Plan
from pagecast.trainer.evaluation.protocols.splits import plan_of
from pagecast.trainer.evaluation.reports.report import SystemReport
from pagecast.trainer.evaluation.run import evaluate
from pagecast.trainer.evaluation.systems.families import families
from pagecast.trainer.evaluation.systems.system import Family

Told = Callable[[float], None]

RETRAINED = "retrained_"
"""Before the names of figures of a system that was retrained meanwhile."""


def predicted(
    data: Interactions,
    config: TrainConfig,
    *,
    protocol: str,
    system: str,
    retrain_every: int = 0,
    told: Told = lambda _: None,
) -> Figures:
    """Masked figures of the system; a model is trained with the config's seed.

    With `retrain_every` also those of the same first fit, retrained after every so many targets.
    """
    (family,) = families([system], [config.seed], config)
    plan = plan_of(protocol, data, retrain_every=retrain_every)
    figures = _figures(_report(_never_retrained(plan), family, told))
    if not retrain_every:
        return figures
    again = _figures(_report(plan, family, told))
    return {**figures, **{RETRAINED + name: value for name, value in again.items()}}


def _never_retrained(plan: Plan) -> Plan:
    tests = {delay_s: replace(split, retrainings=()) for delay_s, split in plan.tests.items()}
    return replace(plan, tests=tests, retrain_every=0)


def _report(plan: Plan, family: Family, told: Told) -> SystemReport:
    report = evaluate(
        plan,
        [family],
        data_name="",
        progress=lambda at: told(at.share_done if at.stage == "fit" else 0.0),
    )
    (of_system,) = report.systems
    return of_system


def _figures(of_system: SystemReport) -> dict[str, float]:
    masked = of_system.figures.masked
    return {
        "ndcg_at_10": masked.ndcg_at_10,
        "hr_at_10": masked.hr_at_10,
        "cpu_seconds": of_system.cpu_seconds,
    }
