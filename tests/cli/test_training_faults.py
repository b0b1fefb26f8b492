"""Trainings that meet a fault, under a real trainer: what docs/operations.md promises for them."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from factories_postgres import PostgresServer, postgres_server
from trainer.factories_trainer import catalog_changes, in_time_order, logged, walk, write_state

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.claims import TrainingClaims
from pagecast.featurestore.trainings.orders import TrainingOrder
from pagecast.featurestore.trainings.records import Claim, Training, TrainingState
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.trainer.service.supervisor import Supervisor, SupervisorConfig
from pagecast.v1 import catalog_pb2

pytestmark = pytest.mark.faults

BRIEF = TrainingOrder(hold_out=0.2, budget_steps=5)

SECONDS_MAX = 600.0

Fault = Callable[[Claim], str]


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return write_state(tmp_path / "state", logged(in_time_order(walk(user) for user in range(40))))


@pytest.fixture
def engine(paths: StatePaths) -> Iterator[sa.Engine]:
    made = connect(paths.database_url)
    yield made
    made.dispose()


def run_trainer(
    engine: sa.Engine,
    paths: StatePaths,
    holds: Callable[[], bool],
    fault: Fault = lambda _: "",
    database: str = "",
) -> None:
    """Runs a trainer until something holds; `fault` says what each of its trainings meets."""
    child = Path(__file__).parent / "child_training.py"

    def command(claim: Claim) -> list[str]:
        asked = (fault(claim), paths.root, database, claim.id, claim.attempt)
        return [sys.executable, str(child), *map(str, asked)]

    stop, until = threading.Event(), time.monotonic() + SECONDS_MAX

    def look() -> None:
        try:
            while not holds() and time.monotonic() < until:
                time.sleep(0.05)
        finally:
            stop.set()

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    config = SupervisorConfig(
        command=command,
        environment={"PYTHONPATH": os.pathsep.join(sys.path)},
        logs=paths.logs,
        turn_s=0.1,
        pause_s=0.1,
    )
    Supervisor(TrainingClaims(engine), config).run(stop)
    looking.join()
    assert time.monotonic() < until, Trainings(engine).list()


def changes() -> list[tuple[LogOffset, catalog_pb2.CatalogChange]]:
    """The catalog of the small world, for a database of its own."""
    return [
        (LogOffset(topic_id="catalog", partition=0, offset=offset), change)
        for offset, change in enumerate(catalog_changes())
    ]


def ended(engine: sa.Engine, request_id: str) -> Callable[[], bool]:
    return lambda: Trainings(engine).get(request_id).state.ended


def published(paths: StatePaths) -> list[str]:
    return sorted(path.name for path in paths.bundles.iterdir())


def test_out_of_memory_is_told_with_its_remedy_and_ends_after_five_tries(
    engine: sa.Engine, paths: StatePaths
) -> None:
    trainings = Trainings(engine)
    large = TrainingOrder(hold_out=0.2, budget_steps=5, profile="base")
    trainings.ask("large", large, asked_by="rpc")
    trainings.ask("small", BRIEF, asked_by="rpc")
    both = [ended(engine, "large"), ended(engine, "small")]
    run_trainer(
        engine,
        paths,
        lambda: all(one() for one in both),
        lambda claim: "memory" if claim.id == 1 else "",
    )
    failed, done = trainings.get("large"), trainings.get("small")
    assert (failed.state, failed.attempt) == (TrainingState.FAILED, 5)
    assert "out of memory" in failed.error
    assert "smaller profile" in failed.error
    assert done.state is TrainingState.SUCCEEDED, "the trainer goes on"
    assert published(paths) == [done.version]


def test_a_disk_that_is_full_at_export_shows_nothing_by_halves_and_costs_no_training(
    engine: sa.Engine, paths: StatePaths
) -> None:
    trainings = Trainings(engine)
    trainings.ask("r1", replace(BRIEF, profile="small"), asked_by="rpc")

    def full(claim: Claim) -> str:
        if claim.attempt > 1:
            assert published(paths) == []
            assert Registry(engine).list() == ()
        return "disk" if claim.attempt == 1 else ""

    run_trainer(engine, paths, ended(engine, "r1"), full)
    done = trainings.get("r1")
    assert (done.state, done.attempt, done.crashes) == (TrainingState.SUCCEEDED, 2, 1)
    assert published(paths) == [done.version]
    log = (paths.logs / "training-1.log").read_text()
    assert "the disk is full" in log
    assert "`pagecast models prune` makes room" in log
    assert log.count("training_resumed") == 1


class Outage:
    """A registry that is killed once a training has come to a stage, and starts again.

    It stays away until the training's process has ended for it, or for `AWAY_S`, if it does not.
    """

    AWAY_S = 10.0

    def __init__(self, server: PostgresServer, engine: sa.Engine, log: Path, stage: str) -> None:
        self._server, self._log, self._stage = server, log, stage
        self._trainings = Trainings(engine)
        self.happened = False

    def over(self) -> bool:
        """To be asked again and again: whether the training has ended."""
        training = self._trainings.get("r1")
        if not self.happened and self._reached(training):
            self._server.kill()
            until = time.monotonic() + self.AWAY_S
            while time.monotonic() < until and "training_stopped" not in self._told():
                time.sleep(0.05)
            self._server.start()
            self.happened = True
        return training.state.ended

    def _reached(self, training: Training) -> bool:
        if self._stage == "claim":
            return training.state is TrainingState.RUNNING
        return training.progress is not None and training.progress.stage == self._stage

    def _told(self) -> str:
        return self._log.read_text() if self._log.exists() else ""


@pytest.mark.parametrize("stage", ["claim", "fit", "export"])
def test_a_registry_that_is_gone_for_a_while_costs_no_training(
    paths: StatePaths, stage: str
) -> None:
    with postgres_server() as server:
        url = server.create("registry")
        engine = connect(url)
        migrate(engine)
        Catalog(engine).apply(changes())
        Trainings(engine).ask("r1", TrainingOrder(hold_out=0.2, budget_steps=40), asked_by="rpc")
        outage = Outage(server, engine, paths.logs / "training-1.log", stage)
        run_trainer(engine, paths, outage.over, database=url)
        done, versions = Trainings(engine).get("r1"), Registry(engine).list()
        engine.dispose()
    assert outage.happened
    assert (done.state, done.error) == (TrainingState.SUCCEEDED, "")
    assert done.crashes <= 1
    assert [record.version for record in versions] == [done.version] == published(paths)
