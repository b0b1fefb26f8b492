"""A claimed training, in a process of its own: it learns, is judged, and says how far it is."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential_jitter,
)

from pagecast.featurestore.models.bundle_room import free_bundles
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.offline import NextOffsets
from pagecast.featurestore.trainings.checkpoint_room import free_checkpoints
from pagecast.featurestore.trainings.claims import TrainingClaims
from pagecast.featurestore.trainings.orders import Promoting, TrainingKind
from pagecast.featurestore.trainings.records import Claim, Pinned, TrainingProgress
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.snapshot import Source, positions_before, positions_before_last
from pagecast.trainer.fitting.checkpoint import CheckpointError
from pagecast.trainer.fitting.processes import Processes
from pagecast.trainer.fitting.training_folder import TrainingFolder
from pagecast.trainer.job import TrainJob, TrainOutcome, TrainProgress
from pagecast.trainer.promoting import promote
from pagecast.trainer.starts.base import load_base
from pagecast.trainer.starts.beginning import Beginning, go_on_from
from pagecast.trainer.train import train

PROGRESS_EVERY_S = 1.0
"""Seconds between two notes of how far it is: one row a second is nothing to a database, and
whoever watches sees it move."""

SETTLE_S_MAX = 600.0
"""Longest wait for the database once there is a model: minutes without it must not cost another
training."""

PROMOTED_BY = "gate"
"""Who moved the alias, where nobody was asked."""

_AWAY = (OperationalError, InterfaceError)

_insisting = Retrying(
    retry=retry_if_exception_type(_AWAY),
    wait=wait_exponential_jitter(initial=0.1, max=5.0),
    stop=stop_after_delay(SETTLE_S_MAX),
    reraise=True,
)
"""Retries what the database did not answer; so only for calls that may be made twice."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class ClaimedTraining:
    """What a claimed training works with."""

    claim: Claim
    claims: TrainingClaims
    trainings: Trainings
    registry: Registry
    source: Source
    config: TrainConfig
    """The trainer's settings with the order's budget and profile."""
    bundles_kept: int
    """Newest versions whose bundles stay once this one is there."""

    @property
    def folder(self) -> Path:
        """Of its checkpoints: the same for every attempt on this state directory."""
        return self.source.paths.trainings / str(self.claim.id)

    def run(self) -> str:
        """Returns the version, once everything is done and noted.

        Raises ClaimLost as soon as it is noticed, FolderInUseError while an earlier attempt is
        still dying, and what `train` raises.
        """
        outcome = self._trained()
        _insisting(self._settle, outcome)
        self._make_room()
        return outcome.version

    def _settle(self, outcome: TrainOutcome) -> None:
        self.claims.check(self.claim)
        if self.claim.order.promoting is Promoting.GATE:
            promote(self.registry, outcome, PROMOTED_BY, f"training {self.claim.request_id}")
        self.claims.succeed(self.claim, outcome.version)

    def _make_room(self) -> None:
        """Frees what is needed only until the model is noted."""
        paths = self.source.paths
        try:
            free_checkpoints(self.trainings, paths.trainings)
            free_bundles(self.registry, paths.bundles, self.bundles_kept)
        except (OSError, SQLAlchemyError) as error:
            # The training has succeeded, and the next one makes room for both.
            _log.warning("no_room_made", reason=str(error))

    def _trained(self) -> TrainOutcome:
        """Goes on from what an earlier attempt has left, unless that is of no use any more."""
        try:
            return self._train(resume=True)
        except CheckpointError as error:
            # Damaged, or events were erased since: what was learned from them must not stay.
            _log.warning("training_begins_anew", reason=str(error))
            return self._train(resume=False)

    def _train(self, *, resume: bool) -> TrainOutcome:
        with TrainingFolder(self.folder, Processes()).held() as folder:
            begin, pinned = self._pinned()
            folder.begin(lambda: pinned, resume=resume)
            job = TrainJob(
                source=replace(self.source, catalog_number=pinned.catalog_number),
                config=self.config,
                until=pinned.until,
                checkpoint=folder.path,
                base=begin.base,
                incremental=begin.incremental,
            )
            return train(job, Noting(self.claims, self.claim).take)

    def _pinned(self) -> tuple[Beginning, Pinned]:
        """What the first attempt decided, or what is decided now.

        Raises BaseError and NothingToTrainError.
        """
        before = self.claims.pinned(self.claim)
        if before is not None:
            return self._beginning(before), before
        begin = self._beginning()
        if begin.note:
            _log.info("training_in_full", reason=begin.note)
        decided = Pinned(
            until=self._until(begin.known),
            catalog_number=self.source.newest_catalog_number(),
            base_version=begin.version,
        )
        return begin, self.claims.pin(self.claim, decided)

    def _beginning(self, before: Pinned | None = None) -> Beginning:
        order, bundles = self.claim.order, self.source.paths.bundles
        if before is not None:
            if not before.base_version:
                return Beginning()
            return Beginning(base=load_base(bundles / before.base_version), incremental=True)
        if order.kind is TrainingKind.FULL:
            return Beginning()
        full_every = self.config.incremental.full_every
        return go_on_from(self.registry, bundles, order.base_version, full_every)

    def _until(self, known: NextOffsets | None) -> NextOffsets | None:
        """Where the data end; the share to hold out is taken from what is not known."""
        order, paths = self.claim.order, self.source.paths
        if order.until_ms is not None:
            return positions_before(paths, order.until_ms)
        return positions_before_last(paths, order.hold_out, known) if order.hold_out else None


class Noting:
    """Writes a training's progress to the database: each new stage, and now and then."""

    def __init__(
        self,
        claims: TrainingClaims,
        claim: Claim,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._claims, self._claim, self._clock = claims, claim, clock
        self._newest = TrainingProgress(stage="")
        self._noted_s = -math.inf

    def take(self, at: TrainProgress) -> None:
        """Raises ClaimLost. If the database is away, it is told later: the training goes on."""
        due = at.stage != self._newest.stage or at.share_done >= 1.0
        self._newest = _progress(at, self._newest)
        if not due and self._clock() - self._noted_s < PROGRESS_EVERY_S:
            return
        self._noted_s = self._clock()
        try:
            self._claims.note(self._claim, self._newest)
        except _AWAY as error:
            _log.warning("progress_not_noted", reason=str(error.orig))


def _progress(at: TrainProgress, before: TrainingProgress) -> TrainingProgress:
    """What is known of the stages before stays."""
    known = replace(before, stage=at.stage, share_done=at.share_done, eta_s=None)
    if at.metrics:
        known = replace(known, evaluation=dict(at.metrics))
    if at.fit is None:
        return known
    return replace(
        known,
        step=at.fit.step,
        entity_loss=_number(at.fit.entity_loss),
        row_loss=_number(at.fit.row_loss),
        value_loss=_number(at.fit.value_loss),
        examples_per_second=_number(at.fit.examples_per_second),
        eta_s=_number(at.fit.eta_s),
    )


def _number(value: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if math.isfinite(value) else None
