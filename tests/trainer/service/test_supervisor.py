"""A trainer and its children: real processes, whose work is a line of Python."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from factories_databases import migrated
from structlog.testing import capture_logs

from pagecast.featurestore.database import connect
from pagecast.featurestore.trainings.claims import TrainingClaims
from pagecast.featurestore.trainings.orders import TrainingOrder
from pagecast.featurestore.trainings.records import Claim, TrainingState
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.trainer.service.supervisor import TRY_AGAIN, Supervisor, SupervisorConfig

PREFACE = """
import os, sys
from pagecast.featurestore.database import connect
from pagecast.featurestore.trainings.claims import TrainingClaims
engine = connect(os.environ["TEST_DATABASE"])
claims = TrainingClaims(engine)
claim = claims.resume(int(sys.argv[1]), int(sys.argv[2]))
"""

SUCCEED = PREFACE + "claims.succeed(claim, 'v1')"
FAIL = PREFACE + "claims.fail(claim, 'nothing to train on'); sys.exit(1)"
STAY = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{STAY}"
CRASH_ONCE = f"""
import os, sys
if sys.argv[2] == "1":
    os.kill(os.getpid(), 9)
{SUCCEED}
"""
RAISE = "raise RuntimeError('a bug')"
TERMINATED = 143


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'pagecast.db'}"


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    made = migrated(url)
    yield made
    made.dispose()


def config(url: str, tmp_path: Path, script: str, **changes: object) -> SupervisorConfig:
    def command(claim: Claim) -> list[str]:
        return [sys.executable, "-c", script, str(claim.id), str(claim.attempt)]

    fields: dict[str, object] = {"turn_s": 0.05, "lease_s": 60.0, "stop_s": 2.0, "pause_s": 0.01}
    return SupervisorConfig(
        command=command,
        environment={"TEST_DATABASE": url, "PYTHONPATH": os.pathsep.join(sys.path)},
        logs=tmp_path / "logs",
        **(fields | changes),  # type: ignore[arg-type]
    )


def run_until(
    engine: sa.Engine, config: SupervisorConfig, holds: Callable[[], bool], seconds: float = 120.0
) -> None:
    """Runs a trainer, which has to be in the main thread, until something holds."""
    stop, until = threading.Event(), time.monotonic() + seconds

    def look() -> None:
        try:
            while not holds() and time.monotonic() < until:
                time.sleep(0.02)
        finally:
            stop.set()

    looking = threading.Thread(target=look)
    looking.start()
    Supervisor(TrainingClaims(engine), config).run(stop)
    looking.join()
    assert time.monotonic() < until, json.dumps([str(t) for t in Trainings(engine).list()])


def state(engine: sa.Engine, request_id: str = "r1") -> TrainingState:
    return Trainings(engine).get(request_id).state


def ask(engine: sa.Engine, request_id: str = "r1") -> Trainings:
    trainings = Trainings(engine)
    trainings.ask(request_id, TrainingOrder(), asked_by="rpc")
    return trainings


def pid_of(tmp_path: Path, training: int = 1) -> int | None:
    log = tmp_path / "logs" / f"training-{training}.log"
    words = log.read_text().split() if log.exists() else []
    return int(words[words.index("pid") + 1]) if "pid" in words else None


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_trainer_says_that_it_waits(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    with capture_logs() as logs:
        run_until(engine, config(url, tmp_path, SUCCEED), lambda: True)
    assert [line["event"] for line in logs] == ["waiting_for_trainings"]


def test_trainings_run_one_after_the_other(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    ask(engine, "r1")
    ask(engine, "r2")
    run_until(engine, config(url, tmp_path, SUCCEED), lambda: state(engine, "r2").ended)
    assert [t.state for t in Trainings(engine).list()] == [TrainingState.SUCCEEDED] * 2
    assert [t.attempt for t in Trainings(engine).list()] == [1, 1]


def test_a_training_that_says_why_it_fails_is_not_tried_again(
    engine: sa.Engine, url: str, tmp_path: Path
) -> None:
    trainings = ask(engine)
    run_until(engine, config(url, tmp_path, FAIL), lambda: state(engine).ended)
    failed = trainings.get("r1")
    assert (failed.state, failed.error) == (TrainingState.FAILED, "nothing to train on")
    assert failed.attempt == 1


def test_a_bug_fails_the_training_and_names_the_log(
    engine: sa.Engine, url: str, tmp_path: Path
) -> None:
    trainings = ask(engine)
    run_until(engine, config(url, tmp_path, RAISE), lambda: state(engine).ended)
    failed = trainings.get("r1")
    assert failed.state is TrainingState.FAILED
    assert failed.error.startswith("ended with exit code 1; read ")
    assert "RuntimeError: a bug" in Path(failed.error.rpartition(" ")[2]).read_text()


def test_a_killed_training_is_taken_up_again(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    trainings = ask(engine)
    run_until(engine, config(url, tmp_path, CRASH_ONCE), lambda: state(engine).ended)
    done = trainings.get("r1")
    assert (done.state, done.attempt, done.crashes) == (TrainingState.SUCCEEDED, 2, 1)


@pytest.mark.parametrize("code", [TRY_AGAIN, TERMINATED])
def test_what_is_stopped_from_outside_is_tried_again_but_not_for_ever(
    engine: sa.Engine, url: str, tmp_path: Path, code: int
) -> None:
    trainings = ask(engine)
    script = f"import sys; sys.exit({code})"
    run_until(engine, config(url, tmp_path, script), lambda: state(engine).ended)
    assert trainings.get("r1").attempt == 5
    assert f"ended with exit code {code}" in trainings.get("r1").error


def test_a_training_whose_process_cannot_be_started_ends_in_time_and_the_trainer_goes_on(
    engine: sa.Engine, url: str, tmp_path: Path
) -> None:
    trainings = ask(engine)
    (tmp_path / "logs").write_text("where the directory should be")
    run_until(engine, config(url, tmp_path, SUCCEED), lambda: state(engine).ended)
    failed = trainings.get("r1")
    assert (failed.state, failed.attempt) == (TrainingState.FAILED, 5)
    assert "could not be started" in failed.error


def test_a_cancelled_training_ends_and_its_process_too(
    engine: sa.Engine, url: str, tmp_path: Path
) -> None:
    trainings, pids = ask(engine), list[int]()

    def cancelled() -> bool:
        pid = pid_of(tmp_path)
        if pid is not None and not pids:
            pids.append(pid)
            trainings.cancel("r1")
        return state(engine).ended

    run_until(engine, config(url, tmp_path, STAY), cancelled)
    assert state(engine) is TrainingState.CANCELLED
    assert not runs(pids[0])


def test_while_a_cancelled_training_takes_its_time_to_end_the_others_are_renewed(
    engine: sa.Engine, url: str, tmp_path: Path
) -> None:
    trainings = Trainings(engine)
    for request_id in ("r1", "r2"):
        trainings.ask(request_id, TrainingOrder(beside=True), asked_by="rpc")
    claims, stolen = TrainingClaims(engine), list[Claim]()

    def ended() -> bool:
        if pid_of(tmp_path, 1) is not None and pid_of(tmp_path, 2) is not None:
            trainings.cancel("r1")
            if (claim := claims.claim("a thief", 60_000)) is not None:
                stolen.append(claim)
        return state(engine, "r1").ended

    patient = config(url, tmp_path, DEAF, at_once_max=2, lease_s=0.5, stop_s=1.5)
    run_until(engine, patient, ended)
    assert not stolen
    assert state(engine, "r1") is TrainingState.CANCELLED
    assert trainings.get("r2").attempt == 1


def test_a_trainer_that_is_stopped_gives_back_what_it_runs(
    engine: sa.Engine, url: str, tmp_path: Path
) -> None:
    trainings = ask(engine)
    run_until(engine, config(url, tmp_path, STAY), lambda: pid_of(tmp_path) is not None)
    given = trainings.get("r1")
    assert (given.state, given.crashes) == (TrainingState.WAITING, 0)
    pid = pid_of(tmp_path)
    assert pid is not None
    assert not runs(pid)


def test_a_trainer_that_has_lost_its_claim_ends_the_process(
    engine: sa.Engine, url: str, tmp_path: Path
) -> None:
    ask(engine)
    claims, taken = TrainingClaims(engine), list[int]()

    def lost() -> bool:
        pid = pid_of(tmp_path)
        if pid is not None and not taken:
            with engine.begin() as connection:
                connection.exec_driver_sql("UPDATE trainings SET lease_until_ms = 0")
            # None if the trainer has renewed its lease in between: then again.
            if claims.claim("another", 60_000) is not None:
                taken.append(pid)
        return bool(taken) and not runs(taken[0])

    run_until(engine, config(url, tmp_path, STAY, turn_s=0.5), lost)
    assert Trainings(engine).get("r1").holder == "another"


def test_a_lease_that_two_turns_outlast_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"turn_s is 10\.0, must be less than half of lease_s"):
        config(url, tmp_path, STAY, turn_s=10.0, lease_s=15.0)
    with pytest.raises(ValueError, match="at_once_max is 0"):
        config(url, tmp_path, STAY, at_once_max=0)


def test_the_process_dies_with_its_trainer(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    """A trainer that is killed cannot end its child: the kernel does."""
    ask(engine)
    trainer = os.fork()
    if trainer == 0:
        try:
            own = connect(url)
            Supervisor(TrainingClaims(own), config(url, tmp_path, STAY)).run(threading.Event())
        finally:
            os._exit(1)
    until = time.monotonic() + 120
    while (pid := pid_of(tmp_path)) is None:
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(trainer, signal.SIGKILL)
    os.waitpid(trainer, 0)
    while runs(pid):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert state(engine) is TrainingState.RUNNING, "until the lease ends"
