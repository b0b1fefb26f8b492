"""The systems by name: what `--systems` takes."""

from collections.abc import Sequence

from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.protocols.cold_start import COLD_REFERENCE, COLD_START
from pagecast.trainer.evaluation.protocols.requests import REFERENCE
from pagecast.trainer.evaluation.systems.ease import ease_candidates, ease_recency_candidates
from pagecast.trainer.evaluation.systems.item_knn import item_knn_candidates
from pagecast.trainer.evaluation.systems.last_item import last_item_candidates
from pagecast.trainer.evaluation.systems.metadata_knn import metadata_knn_candidates
from pagecast.trainer.evaluation.systems.pagecast_system import (
    PAGECAST,
    WITHOUT_METADATA,
    pagecast_families,
)
from pagecast.trainer.evaluation.systems.popularity import popularity_candidates
from pagecast.trainer.evaluation.systems.system import Family

BASELINES = {
    "popularity": popularity_candidates,
    "last-item-counter": last_item_candidates,
    "item-knn": item_knn_candidates,
    "ease": ease_candidates,
    REFERENCE: ease_recency_candidates,
}

SYSTEMS = (*BASELINES, PAGECAST)
"""What `--systems` is by default."""

COLD_START_SYSTEMS = ("popularity", COLD_REFERENCE, WITHOUT_METADATA, PAGECAST)
"""The same for the protocol cold-start: to the other baselines cold entities are all alike."""


def systems_of(protocol: str) -> tuple[str, ...]:
    """The names that a protocol evaluates by default."""
    return COLD_START_SYSTEMS if protocol == COLD_START else SYSTEMS


def families(names: Sequence[str], seeds: Sequence[int], config: TrainConfig) -> list[Family]:
    """The families named, each once, in their order. Raises EvaluationError.

    Seeds, one model each, and `config` are for the model; a baseline draws nothing.
    """
    if not names:
        raise EvaluationError(f"systems: none is named; take some of {', '.join(SYSTEMS)}")
    if not seeds or min(seeds) < 0:
        raise EvaluationError("seeds: give one at least, integers of 0 and more")
    known = {
        **{name: Family(name=name, candidates=of) for name, of in BASELINES.items()},
        COLD_REFERENCE: Family(name=COLD_REFERENCE, candidates=metadata_knn_candidates),
        **pagecast_families(tuple(dict.fromkeys(seeds)), config),
    }
    for name in names:
        if name not in known:
            raise EvaluationError(
                f"systems: {name!r} is not known; take some of {', '.join(known)}"
            )
    return [known[name] for name in dict.fromkeys(names)]
