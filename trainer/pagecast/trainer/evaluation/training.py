"""Trains a model on the fit part of a split, by the trainer's own code.

Letters: U users.
"""

from dataclasses import replace

from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.asked_model import first_steps
from pagecast.trainer.evaluation.held_out import without_entities
from pagecast.trainer.evaluation.requests import FitPart
from pagecast.trainer.evaluation.system import Told
from pagecast.trainer.snapshot import Snapshot
from pagecast.trainer.train import Trained, fit_on


class Trainings:
    """The training of a fit part and config asked for last: systems of one model share it."""

    def __init__(self) -> None:
        self._of: tuple[FitPart, TrainConfig] | None = None

    def of(self, part: FitPart, config: TrainConfig, told: Told) -> Trained:
        """Raises NothingToTrainError."""
        if self._of is None or self._of[0] is not part or self._of[1] != config:
            self._trained = fit_on(known_of(part), config, lambda at: told(at.share_done))
            self._of = part, config
        return self._trained


def known_of(part: FitPart) -> Snapshot:
    """What may be known: the first steps of each user, and a catalog, without the held out."""
    data = part.data
    held_out = frozenset(data.entities[entity] for entity in part.held_out)
    users = (
        first_steps(user, count)
        for user, count in zip(data.users, part.steps_U.tolist(), strict=True)
    )
    known = (without_entities(user, held_out) for user in users)
    return Snapshot(
        catalog=_without(data.catalog, held_out),
        users=tuple(user for user in known if user.steps),
        positions={},
    )


def _without(catalog: CatalogSnapshot, held_out: frozenset[str]) -> CatalogSnapshot:
    if not held_out:
        return catalog
    entities = tuple(e for e in catalog.entities if e.entity_id not in held_out)
    return replace(catalog, entities=entities)
