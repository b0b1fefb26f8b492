"""Claimed trainings of the small world, in this process or in one of their own."""

import dataclasses

import sqlalchemy as sa
from trainer.factories_trainer import SMALL

from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.claims import TrainingClaims
from pagecast.featurestore.trainings.records import Claim
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.service.claimed import ClaimedTraining

BRIEF = dataclasses.replace(SMALL, epochs=3.0, checkpoint_every_s=0.0)
"""Learns enough to be above popularity, and keeps every step."""


def claimed_training(
    engine: sa.Engine, paths: StatePaths, claim: Claim, config: TrainConfig = BRIEF
) -> ClaimedTraining:
    return ClaimedTraining(
        claim=claim,
        claims=TrainingClaims(engine),
        trainings=Trainings(engine),
        registry=Registry(engine),
        source=Source(paths=paths),
        config=config,
        bundles_kept=3,
    )


def run_next(engine: sa.Engine, paths: StatePaths, config: TrainConfig = BRIEF) -> str:
    """Claims the next training and runs it here; returns the version."""
    claim = TrainingClaims(engine).claim("here", 600_000)
    assert claim is not None
    return claimed_training(engine, paths, claim, config).run()
