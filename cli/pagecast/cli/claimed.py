"""Runs a claimed training with the command line's settings."""

import errno
from dataclasses import replace

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from pagecast.cli.database import open_database
from pagecast.cli.exits import ExitCode, NotRunningError
from pagecast.cli.settings import Settings
from pagecast.cli.training.config import config_of
from pagecast.cli.training.source import training_source
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.prompt.semantic_ids import CodebookError
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.claims import ClaimLost, TrainingClaims
from pagecast.featurestore.trainings.orders import TrainingOrder
from pagecast.featurestore.trainings.records import Claim
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.metadata import ContentError
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.export.parity import ParityError
from pagecast.trainer.fitting.training_folder import FolderInUseError
from pagecast.trainer.service.claimed import ClaimedTraining
from pagecast.trainer.service.supervisor import TRY_AGAIN
from pagecast.trainer.starts.base import BaseError

_FINAL = (BaseError, CodebookError, ContentError, NothingToTrainError, ParityError)
"""Errors that another try would meet again."""

_AWAY = (NotRunningError, OperationalError, InterfaceError)
"""The database does not answer, so there is nobody to tell."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_NO_MEMORY = ("can't allocate memory", "not enough memory", "bad_alloc", "bad allocation")
"""What torch and onnxruntime say when memory runs out, in errors that are no MemoryError."""

_log = structlog.get_logger(__name__)


def run_claimed(settings: Settings, training_id: int, attempt: int) -> int:
    """Runs a training to its end and records that; returns the exit code of its process."""
    try:
        with open_database(settings) as engine:
            claims = TrainingClaims(engine)
            claim = claims.resume(training_id, attempt)
            try:
                _run(settings, claims, claim, engine)
            except _FINAL as error:
                _log.error("training_failed", reason=str(error))
                claims.fail(claim, str(error))
                return ExitCode.FAILED
            except Exception as error:
                if (reason := passing(error)) is None:
                    raise
                _log.error("training_stopped", reason=reason)
                claims.explain(claim, reason)
                return TRY_AGAIN
    except ClaimLost as error:
        _log.warning("claim_lost", reason=str(error))
        return TRY_AGAIN
    except _AWAY as error:
        _log.error("training_stopped", reason=str(error))
        return TRY_AGAIN
    return ExitCode.OK


def passing(error: Exception) -> str | None:
    """What an error is and what mends it, if it may be over by the next try; else None.

    An earlier attempt may still be dying, a disk full, the memory taken by something else.
    """
    told = str(error).partition("\n")[0]
    number = error.errno if isinstance(error, OSError) else None
    unallocated = isinstance(error, MemoryError) or number == errno.ENOMEM
    if unallocated or any(sign in told for sign in _NO_MEMORY):
        return f"out of memory ({told}): take a smaller profile, or give it more memory"
    if number in _FULL:
        return f"the disk is full ({told}): `pagecast models prune` makes room"
    return told if isinstance(error, FolderInUseError | OSError) else None


def _run(settings: Settings, claims: TrainingClaims, claim: Claim, engine: sa.Engine) -> None:
    paths = StatePaths(root=settings.state_dir).create()
    with training_source(
        paths, settings.database_url, settings.online_store_url, settings.fold.config()
    ) as source:
        version = ClaimedTraining(
            claim=claim,
            claims=claims,
            trainings=Trainings(engine),
            registry=Registry(engine),
            source=source,
            config=_config(settings, claim.order),
            bundles_kept=settings.trainer.bundles_kept,
        ).run()
    _log.info("training_done", request_id=claim.request_id, version=version)


def _config(settings: Settings, order: TrainingOrder) -> TrainConfig:
    config = config_of(settings, order.budget_minutes, order.profile)
    threads = settings.trainer.threads or config.threads
    return replace(config, steps_max=order.budget_steps, threads=threads)
