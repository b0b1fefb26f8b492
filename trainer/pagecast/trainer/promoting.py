"""Step 8 of the life of a model, where nobody is asked: what is promoted after a training."""

import structlog

from pagecast.featurestore.models.records import CHAMPION, ChampionMoved
from pagecast.featurestore.models.registry import Registry
from pagecast.trainer.job import TrainOutcome

_log = structlog.get_logger(__name__)


def promote(registry: Registry, outcome: TrainOutcome, by: str, note: str) -> None:
    """The first model serves, however good it is; a later one only if the gate passes it.

    It replaces only the champion it was compared with; if another serves by now, a warning says so.
    """
    verdict, first = outcome.verdict, registry.version_of(CHAMPION) is None
    if not first and (verdict is None or not verdict.passed):
        return
    try:
        registry.promote(
            outcome.version,
            by,
            forced=first,
            note=f"the first model; {note}" if first else note,
            instead_of="" if first or verdict is None else verdict.champion or "",
        )
    except ChampionMoved as error:
        _log.warning("not_promoted", version=outcome.version, reason=str(error))
