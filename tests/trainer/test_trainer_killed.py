"""Trainers and servers are killed while a training runs; it ends as if they had not been."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa
from trainer.children import child
from trainer.factories_trainer import in_time_order, logged, walk, write_state

from pagecast.featurestore.database import connect
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.orders import TrainingOrder
from pagecast.featurestore.trainings.records import Training, TrainingState
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.v1 import training_pb2, training_pb2_grpc

EPOCHS = 30
"""Long enough to be killed in."""

SECONDS_MAX = 600.0

ORDER = TrainingOrder(hold_out=0.2)

SERVER = Path(__file__).parents[1] / "server" / "server_process.py"


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return write_state(tmp_path / "state", logged(in_time_order(walk(user) for user in range(40))))


def until(holds: Callable[[], bool], seconds: float = SECONDS_MAX) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def engine_of(paths: StatePaths) -> sa.Engine:
    return connect(paths.database_url)


def step_of(training: Training) -> int:
    return 0 if training.progress is None else training.progress.step


def weights(paths: StatePaths, version: str | None) -> bytes:
    assert version is not None
    return (paths.bundles / version / "checkpoint.safetensors").read_bytes()


@contextmanager
def server(paths: StatePaths) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server in a process of its own, and its address."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(SERVER), str(paths.root)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("ready "):
                    break
            yield process, line.split()[1]
        finally:
            process.kill()


def ended(address: str) -> training_pb2.Training:
    """What a watch tells last."""
    with grpc.insecure_channel(address) as channel:
        request = training_pb2.WatchTrainingRequest(request_id="r1")
        stub = training_pb2_grpc.TrainingServiceStub(channel)
        changes = stub.WatchTraining(request, timeout=SECONDS_MAX)
        return list(changes)[-1].training


@pytest.mark.faults
def test_killed_trainers_and_servers_change_nothing_of_the_model(
    paths: StatePaths, tmp_path: Path
) -> None:
    engine = engine_of(paths)
    trainings = Trainings(engine)
    with server(paths) as (first, address):
        for _ in range(2):  # a request that is repeated is one training
            with grpc.insecure_channel(address) as channel:
                training_pb2_grpc.TrainingServiceStub(channel).StartTraining(
                    training_pb2.StartTrainingRequest(request_id="r1", hold_out=0.2)
                )
        for kill in range(2):
            with child("child_trainer.py", paths.root, EPOCHS) as trainer:
                before = step_of(trainings.get("r1"))
                until(lambda before=before: step_of(trainings.get("r1")) > before + 3)
                trainer.send_signal(signal.SIGKILL)
            assert trainings.get("r1").state is TrainingState.RUNNING, kill
        first.send_signal(signal.SIGKILL)
    with server(paths) as (_, address), child("child_trainer.py", paths.root, EPOCHS):
        told = ended(address)
    killed = trainings.get("r1")
    assert len(trainings.list()) == 1
    assert (killed.state, killed.crashes, killed.attempt) == (TrainingState.SUCCEEDED, 2, 3)
    assert told.model_version == killed.version
    assert told.progress.evaluation["ndcg_at_10"] > 0
    engine.dispose()

    calm = write_state(tmp_path / "calm", logged(in_time_order(walk(user) for user in range(40))))
    engine = engine_of(calm)
    Trainings(engine).ask("r1", ORDER, asked_by="rpc")
    with child("child_trainer.py", calm.root, EPOCHS):
        until(lambda: Trainings(engine).get("r1").state.ended)
    undisturbed = Trainings(engine).get("r1")
    engine.dispose()
    assert undisturbed.attempt == 1
    assert weights(calm, undisturbed.version) == weights(paths, killed.version)


@pytest.mark.faults
def test_two_trainers_share_the_work_and_a_killed_ones_goes_to_the_other(
    paths: StatePaths,
) -> None:
    engine = engine_of(paths)
    trainings = Trainings(engine)
    trainings.ask("r1", ORDER, asked_by="rpc")
    with child("child_trainer.py", paths.root, EPOCHS) as first:
        until(lambda: step_of(trainings.get("r1")) > 3)
        holder = trainings.get("r1").holder
        with child("child_trainer.py", paths.root, EPOCHS):
            first.send_signal(signal.SIGKILL)
            until(lambda: trainings.get("r1").state.ended)
    done = trainings.get("r1")
    assert (done.state, done.attempt) == (TrainingState.SUCCEEDED, 2)
    assert done.holder != holder
    engine.dispose()
