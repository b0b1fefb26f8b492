"""The systems by name: what `--systems` takes."""

from collections.abc import Sequence

from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.ease import ease_candidates, ease_recency_candidates
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.item_knn import item_knn_candidates
from pagecast.trainer.evaluation.last_item import last_item_candidates
from pagecast.trainer.evaluation.pagecast_system import PAGECAST, pagecast_family
from pagecast.trainer.evaluation.popularity import popularity_candidates
from pagecast.trainer.evaluation.requests import REFERENCE
from pagecast.trainer.evaluation.system import Family

BASELINES = {
    "popularity": popularity_candidates,
    "last-item-counter": last_item_candidates,
    "item-knn": item_knn_candidates,
    "ease": ease_candidates,
    REFERENCE: ease_recency_candidates,
}

SYSTEMS = (*BASELINES, PAGECAST)


def families(names: Sequence[str], seeds: Sequence[int], config: TrainConfig) -> list[Family]:
    """The families named, each once, in their order. Raises EvaluationError.

    Seeds, one model each, and `config` are the model's; nothing of a baseline is drawn.
    """
    if not names:
        raise EvaluationError(f"systems: none is named; take some of {', '.join(SYSTEMS)}")
    if not seeds or min(seeds) < 0:
        raise EvaluationError("seeds: give one at least, integers of 0 and more")
    for name in names:
        if name not in SYSTEMS:
            raise EvaluationError(
                f"systems: {name!r} is not known; take some of {', '.join(SYSTEMS)}"
            )
    return [
        pagecast_family(tuple(dict.fromkeys(seeds)), config)
        if name == PAGECAST
        else Family(name=name, candidates=BASELINES[name])
        for name in dict.fromkeys(names)
    ]
