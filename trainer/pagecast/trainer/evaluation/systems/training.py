"""Trains a model on the fit part of a split, by the trainer's own code.

Letters: U users.
"""

from dataclasses import replace

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.snapshot import Snapshot
from pagecast.trainer.evaluation.protocols.requests import FitPart
from pagecast.trainer.evaluation.systems.asked_model import first_steps
from pagecast.trainer.evaluation.systems.system import Told
from pagecast.trainer.job import Trained
from pagecast.trainer.train import fit_on


class Trainings:
    """Trainings on the fit part asked for last, by config: systems of one model share it."""

    def __init__(self) -> None:
        self._part: FitPart | None = None
        self._by_config: dict[str, Trained] = {}

    def of(self, part: FitPart, config: TrainConfig, told: Told) -> Trained:
        """Raises NothingToTrainError."""
        if self._part is not part:
            self._part, self._by_config = part, {}
        key = repr(config)  # it holds a table, so it has no hash
        if key not in self._by_config:
            trained = fit_on(known_of(part), config, lambda at: told(at.share_done))
            self._by_config[key] = trained
        return self._by_config[key]


def known_of(part: FitPart) -> Snapshot:
    """What may be known: the first steps of each user, and a catalog, without the held out."""
    data = part.data
    held_out = frozenset(data.entities[entity] for entity in part.held_out)
    return Snapshot(
        catalog=_without(data.catalog, held_out),
        users=tuple(
            first_steps(user, count)
            for user, count in zip(data.users, part.steps_U.tolist(), strict=True)
            if count
        ),
        positions={},
    )


def _without(catalog: CatalogSnapshot, held_out: frozenset[str]) -> CatalogSnapshot:
    if not held_out:
        return catalog
    entities = tuple(e for e in catalog.entities if e.entity_id not in held_out)
    return replace(catalog, entities=entities)
