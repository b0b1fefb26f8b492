"""A claimed training goes from the log to the champion, and says how far it is."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from factories import movie, upsert
from structlog.testing import capture_logs
from trainer.factories_checkpoint import checkpoint_of
from trainer.factories_claimed import BRIEF, claimed_training, run_next
from trainer.factories_trainer import in_time_order, logged, walk, write_state

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.database import connect
from pagecast.featurestore.models.records import CHALLENGER, CHAMPION
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.models.verdicts import Criterion, Verdict
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.claims import ClaimLost, TrainingClaims
from pagecast.featurestore.trainings.orders import Promoting, TrainingKind, TrainingOrder
from pagecast.featurestore.trainings.records import TrainingProgress, TrainingState
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.trainer import gate
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.fitting.checkpoint import Checkpoints
from pagecast.trainer.fitting.fit import FitProgress
from pagecast.trainer.job import TrainJob, TrainOutcome, TrainProgress
from pagecast.trainer.service import claimed
from pagecast.trainer.service.claimed import Noting
from pagecast.trainer.starts.base import BaseError

EVENTS = in_time_order(walk(user) for user in range(40))

ORDER = TrainingOrder(hold_out=0.2)


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return write_state(tmp_path, logged(EVENTS))


@pytest.fixture
def engine(paths: StatePaths) -> Iterator[sa.Engine]:
    made = connect(paths.database_url)
    yield made
    made.dispose()


@pytest.fixture(autouse=True)
def _few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PAGES", 3)


@pytest.mark.faults
def test_the_first_model_serves_and_the_next_goes_on_from_it_and_is_compared_with_it(
    engine: sa.Engine, paths: StatePaths
) -> None:
    trainings, registry = Trainings(engine), Registry(engine)
    trainings.ask("r1", ORDER, asked_by="rpc")
    first = run_next(engine, paths)
    done = trainings.get("r1")
    assert (done.state, done.version) == (TrainingState.SUCCEEDED, first)
    assert done.progress is not None
    assert done.progress.stage == "judge"
    assert done.progress.step > 0
    assert done.progress.evaluation["ndcg_at_10"] == registry.get(first).metrics["ndcg_at_10"]
    assert registry.get(first).aliases == (CHAMPION,)
    assert "the first model" in registry.moves(CHAMPION)[0].note
    assert not (paths.trainings / str(done.id)).exists(), "its checkpoints are gone"

    incremental = TrainingOrder(
        kind=TrainingKind.INCREMENTAL, hold_out=0.5, promoting=Promoting.NEVER
    )
    trainings.ask("r2", incremental, asked_by="rpc")
    second = registry.get(run_next(engine, paths))
    assert (second.parent_version, second.data["kind"]) == (first, "incremental")
    assert second.verdict is not None
    assert second.verdict.champion == first
    assert second.aliases == (CHALLENGER,), "it was not to be promoted"


def test_an_incremental_one_needs_a_champion(engine: sa.Engine, paths: StatePaths) -> None:
    order = TrainingOrder(kind=TrainingKind.INCREMENTAL)
    Trainings(engine).ask("r1", order, asked_by="rpc")
    with pytest.raises(BaseError, match="no model has been promoted yet: train one in full first"):
        run_next(engine, paths)


def verdict(*, passed: bool) -> Verdict:
    criterion = Criterion(name="keeps_rules", passed=passed, told="")
    return Verdict(champion="v0", judged_at_ms=0, criteria=(criterion,))


@pytest.mark.parametrize(
    ("judged", "promoting", "promoted"),
    [
        (verdict(passed=True), Promoting.GATE, True),
        (verdict(passed=False), Promoting.GATE, False),
        (None, Promoting.GATE, False),
        (verdict(passed=True), Promoting.NEVER, False),
    ],
)
def test_only_what_the_gate_lets_through_becomes_the_champion(
    engine: sa.Engine,
    paths: StatePaths,
    monkeypatch: pytest.MonkeyPatch,
    judged: Verdict | None,
    promoting: Promoting,
    promoted: bool,
) -> None:
    registry = Registry(engine)
    for version in ("v0", "v1"):
        registry.register(version, parent_version=None, metrics={}, data={})
    registry.promote("v0", by="ada")
    outcome = TrainOutcome(
        version="v1", bundle=paths.bundles / "v1", metrics={}, quality=None, verdict=judged
    )
    monkeypatch.setattr(claimed, "train", lambda *_: outcome)
    Trainings(engine).ask("r1", dataclasses.replace(ORDER, promoting=promoting), asked_by="rpc")
    run_next(engine, paths)
    champion = registry.resolve(CHAMPION)
    assert champion is not None
    assert champion.version == ("v1" if promoted else "v0")
    assert Trainings(engine).get("r1").version == "v1"


class StoppedError(Exception):
    """Ends a training between two steps."""


@pytest.fixture
def judged_beside_v0(
    engine: sa.Engine, paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> TrainOutcome:
    """What a training comes to at once: it leaves a checkpoint, and v1, which may replace v0."""
    registry = Registry(engine)
    for version in ("v0", "v1", "v2"):
        registry.register(version, parent_version=None, metrics={}, data={})
    registry.promote("v0", by="ada")
    outcome = TrainOutcome(
        version="v1",
        bundle=paths.bundles / "v1",
        metrics={},
        quality=None,
        verdict=verdict(passed=True),
    )

    def trained(job: TrainJob, _: object) -> TrainOutcome:
        assert job.checkpoint is not None
        Checkpoints(job.checkpoint).write(checkpoint_of(3))
        return outcome

    monkeypatch.setattr(claimed, "train", trained)
    Trainings(engine).ask("r1", ORDER, asked_by="rpc")
    return outcome


def test_nobody_is_replaced_but_whom_the_gate_compared_it_with(
    engine: sa.Engine, paths: StatePaths, judged_beside_v0: TrainOutcome
) -> None:
    registry = Registry(engine)
    registry.promote("v2", by="ada")
    with capture_logs() as logs:
        assert run_next(engine, paths) == judged_beside_v0.version
    assert registry.version_of(CHAMPION) == "v2"
    assert [log["reason"] for log in logs if log["event"] == "not_promoted"] == [
        "version: v2 serves by now, and v1 was compared with v0: promote it by hand, or train again"
    ]
    assert Trainings(engine).get("r1").state is TrainingState.SUCCEEDED


def test_who_was_taken_for_dead_promotes_nothing(
    engine: sa.Engine, paths: StatePaths, judged_beside_v0: TrainOutcome
) -> None:
    claims = TrainingClaims(engine)
    dead = claims.claim("dead", 0)
    assert dead is not None
    training = claimed_training(engine, paths, dead)
    assert claims.claim("heir", 600_000) is not None
    with pytest.raises(ClaimLost):
        training._settle(judged_beside_v0)
    assert Registry(engine).version_of(CHAMPION) == "v0"


@pytest.mark.usefixtures("judged_beside_v0")
def test_what_was_learned_stays_until_it_is_noted_that_it_is_over(
    engine: sa.Engine, paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise StoppedError

    dead = TrainingClaims(engine).claim("dead", 0)
    assert dead is not None
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        patch.setattr(TrainingClaims, "succeed", killed)
        claimed_training(engine, paths, dead).run()
    assert Checkpoints(paths.trainings / str(dead.id)).newest()
    run_next(engine, paths)
    assert not (paths.trainings / str(dead.id)).exists()


@pytest.mark.usefixtures("judged_beside_v0")
def test_room_that_cannot_be_made_does_not_undo_a_training(
    engine: sa.Engine, paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise OSError("busy")

    monkeypatch.setattr(claimed, "free_bundles", busy)
    with capture_logs() as logs:
        run_next(engine, paths)
    assert [log["reason"] for log in logs if log["event"] == "no_room_made"] == ["busy"]
    assert Trainings(engine).get("r1").state is TrainingState.SUCCEEDED


def stop_at(monkeypatch: pytest.MonkeyPatch, ends: Callable[[int], bool]) -> list[int]:
    """Ends trainings at a step; returns the steps they come through, as they do."""
    steps: list[int] = []

    def take(_: object, at: TrainProgress) -> None:
        if at.fit is not None:
            steps.append(at.fit.step)
            if ends(at.fit.step):
                raise StoppedError

    monkeypatch.setattr(Noting, "take", take)
    return steps


def test_what_an_attempt_before_has_left_is_gone_on_with_on_the_same_data(
    engine: sa.Engine, paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trainings(engine).ask("r1", ORDER, asked_by="rpc")
    dead = TrainingClaims(engine).claim("dead", 0)
    assert dead is not None
    steps = stop_at(monkeypatch, lambda step: step in (3, 5))
    with pytest.raises(StoppedError):
        claimed_training(engine, paths, dead).run()
    later = logged([*EVENTS, *walk(77)])[len(EVENTS) :]
    OfflineLog(paths.offline).append(later)
    launch = (LogOffset(topic_id="later", partition=0, offset=0), upsert(movie("new", "Drama")))
    Catalog(engine).apply([launch])
    with pytest.raises(StoppedError):
        run_next(engine, paths)
    assert steps == [1, 2, 3, 4, 5]


def test_checkpoints_of_something_else_are_not_gone_on_with(
    engine: sa.Engine, paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trainings(engine).ask("r1", ORDER, asked_by="rpc")
    dead = TrainingClaims(engine).claim("dead", 0)
    assert dead is not None
    steps = stop_at(monkeypatch, lambda step: step == 2)
    other = dataclasses.replace(BRIEF, seed=5)
    with pytest.raises(StoppedError):
        claimed_training(engine, paths, dead, other).run()
    with pytest.raises(StoppedError):
        run_next(engine, paths)
    assert steps == [1, 2, 1, 2]


def test_without_anything_to_judge_by_it_is_refused_before_it_is_trained(
    engine: sa.Engine, paths: StatePaths
) -> None:
    Trainings(engine).ask("r1", TrainingOrder(until_ms=1), asked_by="rpc")
    with pytest.raises(NothingToTrainError, match="until: no events lie before that moment"):
        run_next(engine, paths)


def at_step(step: int, loss: float = 2.5) -> TrainProgress:
    fit = FitProgress(
        step=step,
        share_done=0.1,
        entity_loss=loss,
        row_loss=1.0,
        value_loss=float("nan"),
        examples_per_second=10.0,
        tokens_per_second=10.0,
        padding=0.0,
        eta_s=9.0,
    )
    return TrainProgress(stage="fit", share_done=0.1, fit=fit)


def test_progress_is_noted_now_and_then_and_at_every_stage(
    engine: sa.Engine, paths: StatePaths
) -> None:
    trainings, claims = Trainings(engine), TrainingClaims(engine)
    trainings.ask("r1", ORDER, asked_by="rpc")
    claim = claims.claim("here", 600_000)
    assert claim is not None
    clock = [0.0]
    noting = Noting(claims, claim, lambda: clock[0])

    def noted() -> TrainingProgress:
        progress = trainings.get("r1").progress
        assert progress is not None
        return progress

    noting.take(at_step(1, loss=float("nan")))
    assert (noted().stage, noted().step, noted().entity_loss) == ("fit", 1, None)
    noting.take(at_step(2))
    assert noted().step == 1, "a moment later is too soon"
    clock[0] += claimed.PROGRESS_EVERY_S
    noting.take(at_step(3))
    assert (noted().step, noted().entity_loss, noted().eta_s) == (3, 2.5, 9.0)
    noting.take(TrainProgress(stage="judge", share_done=0.0, metrics={"ndcg_at_10": 0.2}))
    assert (noted().stage, noted().step, noted().eta_s) == ("judge", 3, None)
    assert noted().evaluation == {"ndcg_at_10": 0.2}


def test_a_training_that_is_another_trainers_by_now_ends(
    engine: sa.Engine, paths: StatePaths
) -> None:
    Trainings(engine).ask("r1", ORDER, asked_by="rpc")
    claims = TrainingClaims(engine)
    dead = claims.claim("dead", 0)
    assert dead is not None
    assert claims.claim("heir", 600_000) is not None
    with pytest.raises(ClaimLost):
        claimed_training(engine, paths, dead).run()
    assert Registry(engine).list() == ()


def test_progress_that_finds_no_database_is_passed_over(
    engine: sa.Engine, paths: StatePaths
) -> None:
    Trainings(engine).ask("r1", ORDER, asked_by="rpc")
    claims = TrainingClaims(engine)
    claim = claims.claim("here", 600_000)
    assert claim is not None
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE trainings RENAME TO away")
    Noting(claims, claim).take(at_step(1))
