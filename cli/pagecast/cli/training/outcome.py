"""What becomes of a trained model: whether it is promoted, and what is told of it."""

import structlog

from pagecast.cli.commands.models import PROMOTED_BY
from pagecast.cli.database import open_database
from pagecast.cli.models_view import show_verdict
from pagecast.cli.output import Output
from pagecast.cli.settings import Settings
from pagecast.cli.training.align_view import show_alignment
from pagecast.cli.training.choices import Promotion
from pagecast.featurestore.model_records import CHAMPION, ChampionMoved, ModelRecord
from pagecast.featurestore.registry import Registry
from pagecast.trainer.job import TrainOutcome

_log = structlog.get_logger(__name__)


def promoted(settings: Settings, outcome: TrainOutcome, promotion: Promotion) -> ModelRecord:
    """Promotes the model if it is to be; returns its record."""
    with open_database(settings) as engine:
        registry = Registry(engine)
        try:
            _promote(registry, outcome, promotion)
        except ChampionMoved as error:
            _log.warning("not_promoted", version=outcome.version, reason=str(error))
        return registry.get(outcome.version)


def _promote(registry: Registry, outcome: TrainOutcome, promotion: Promotion) -> None:
    """Raises ChampionMoved."""
    version, verdict = outcome.version, outcome.verdict
    if promotion is Promotion.ALWAYS:
        registry.promote(version, PROMOTED_BY, forced=True, note="train --promote always")
    elif promotion is not Promotion.NEVER and registry.version_of(CHAMPION) is None:
        note = "the first model"
        registry.promote(version, PROMOTED_BY, forced=True, note=note, instead_of="")
    elif promotion is Promotion.GATE and verdict is not None and verdict.passed:
        champion = verdict.champion or ""
        registry.promote(version, PROMOTED_BY, note="the gate", instead_of=champion)


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
