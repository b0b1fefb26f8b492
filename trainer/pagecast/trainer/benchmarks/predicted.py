"""One system by one protocol on the test part: what `pagecast evaluate` tells of it."""

from collections.abc import Callable

from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.families import families
from pagecast.trainer.evaluation.interactions import Interactions
from pagecast.trainer.evaluation.run import evaluate
from pagecast.trainer.evaluation.splits import plan_of


def predicted(
    data: Interactions,
    config: TrainConfig,
    *,
    protocol: str,
    system: str,
    told: Callable[[float], None] = lambda _: None,
) -> Figures:
    """Masked figures of the system; a model is trained with the config's seed."""
    report = evaluate(
        plan_of(protocol, data),
        families([system], [config.seed], config),
        data_name="",
        progress=lambda at: told(at.share_done if at.stage == "fit" else 0.0),
    )
    (of_system,) = report.systems
    masked = of_system.figures.masked
    return {
        "ndcg_at_10": masked.ndcg_at_10,
        "hr_at_10": masked.hr_at_10,
        "cpu_seconds": of_system.cpu_seconds,
    }
