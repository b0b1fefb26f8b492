"""What becomes of a claimed training that cannot be run."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
import torch
from trainer.factories_claimed import run_next
from trainer.factories_trainer import in_time_order, logged, walk, write_state

from pagecast.cli.claimed import passing, run_claimed
from pagecast.cli.exits import ExitCode
from pagecast.cli.settings import load_settings
from pagecast.featurestore.database import connect
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.claims import TrainingClaims
from pagecast.featurestore.trainings.orders import TrainingKind, TrainingOrder
from pagecast.featurestore.trainings.records import Training, TrainingState
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.trainer.fitting.training_folder import FolderInUseError
from pagecast.trainer.service.supervisor import TRY_AGAIN

ALL = TrainingOrder(hold_out=0.0)


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return write_state(tmp_path / "state", logged(in_time_order(walk(user) for user in range(12))))


@pytest.fixture
def engine(paths: StatePaths) -> Iterator[sa.Engine]:
    made = connect(paths.database_url)
    yield made
    made.dispose()


def run(engine: sa.Engine, paths: StatePaths, request_id: str) -> tuple[int, Training]:
    """Claims the next training and runs it as its process would; returns its exit code, too."""
    claim = TrainingClaims(engine).claim("here", 600_000)
    assert claim is not None
    code = run_claimed(load_settings(state_dir=paths.root), claim.id, claim.attempt)
    return code, Trainings(engine).get(request_id)


@pytest.mark.faults
def test_a_slice_without_events_is_told_and_not_tried_again(
    engine: sa.Engine, paths: StatePaths
) -> None:
    trainings = Trainings(engine)
    trainings.ask("first", ALL, asked_by="rpc")
    run_next(engine, paths)
    for hold_out, told in (
        (0.0, "no events after the data of the base"),
        (0.2, "too few events to hold some out; ingest more"),
    ):
        order = TrainingOrder(kind=TrainingKind.INCREMENTAL, hold_out=hold_out)
        trainings.ask(told, order, asked_by="rpc")
        code, training = run(engine, paths, told)
        assert code == ExitCode.FAILED
        assert training.state is TrainingState.FAILED
        assert told in training.error


def test_a_database_that_does_not_answer_is_worth_another_try(tmp_path: Path) -> None:
    away = load_settings(state_dir=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none")
    assert run_claimed(away, 1, 1) == TRY_AGAIN


def unallocated() -> Exception:
    """What torch raises where there is no memory."""
    try:
        torch.empty(1 << 60, dtype=torch.uint8)
    except RuntimeError as error:
        return error
    raise AssertionError("there was memory")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "bundles/x"), "models prune"),
        (OSError(errno.EFBIG, "File too large", "bundles/x"), "the disk is full"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "smaller profile"),
        (MemoryError(), "smaller profile"),
        (pa.ArrowMemoryError("malloc of size 64 failed"), "smaller profile"),
        (unallocated(), "smaller profile"),
        (FolderInUseError("another training runs in trainings/1"), "trainings/1"),
        (ConnectionResetError("reset"), "reset"),
    ],
)
def test_what_may_pass_is_told_with_what_mends_it(error: Exception, told: str) -> None:
    reason = passing(error)
    assert reason is not None
    assert told in reason


def test_a_bug_is_not_worth_another_try() -> None:
    assert passing(RuntimeError("a bug")) is None
    assert passing(KeyError("out of luck")) is None
