"""What becomes of a trained model: whether it is promoted, and what is reported."""

from pagecast.cli.commands.models import PROMOTED_BY
from pagecast.cli.database import open_database
from pagecast.cli.models_view import show_verdict
from pagecast.cli.output import Output
from pagecast.cli.settings import Settings
from pagecast.cli.training.align_view import show_alignment
from pagecast.cli.training.choices import Promotion
from pagecast.featurestore.models.records import CHAMPION, ModelRecord
from pagecast.featurestore.models.registry import Registry
from pagecast.trainer.job import TrainOutcome
from pagecast.trainer.promoting import promote


def promoted(settings: Settings, outcome: TrainOutcome, promotion: Promotion) -> ModelRecord:
    """Promotes the model if it should be; returns its record."""
    note = f"train --promote {promotion.value}"
    with open_database(settings) as engine:
        registry = Registry(engine)
        first = registry.version_of(CHAMPION) is None
        if promotion is Promotion.ALWAYS:
            registry.promote(outcome.version, PROMOTED_BY, forced=True, note=note)
        elif promotion is Promotion.GATE or (promotion is Promotion.FIRST and first):
            promote(registry, outcome, PROMOTED_BY, note)
        return registry.get(outcome.version)


def tell(output: Output, record: ModelRecord, outcome: TrainOutcome) -> None:
    facts = [("version", record.version), ("aliases", " ".join(record.aliases))]
    facts += [(name, f"{value:.4f}") for name, value in sorted(outcome.metrics.items())]
    output.table("", ("", ""), facts)
    align = record.data.get("align")
    if align is not None:
        show_alignment(output, align)
    verdict = outcome.verdict
    if verdict is not None:
        show_verdict(output, verdict)
    output.document(
        {
            "version": record.version,
            "aliases": list(record.aliases),
            "bundle": str(outcome.bundle),
            "metrics": outcome.metrics,
            **({} if align is None else {"align": align}),
            "verdict": None if verdict is None else verdict.to_json(),
        }
    )
