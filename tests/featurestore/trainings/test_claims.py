"""One trainer runs a training; if it dies, another goes on. A lease of 0 ends at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from pagecast.featurestore.trainings import claims as training_claims
from pagecast.featurestore.trainings.claims import CRASHES_MAX, ClaimLost, TrainingClaims
from pagecast.featurestore.trainings.orders import TrainingOrder
from pagecast.featurestore.trainings.records import (
    Claim,
    Pinned,
    TrainingProgress,
    TrainingState,
)
from pagecast.featurestore.trainings.trainings import Trainings, now_ms

LONG_MS = 600_000


def ask(engine: sa.Engine, *request_ids: str, beside: bool = False) -> Trainings:
    trainings = Trainings(engine)
    for request_id in request_ids:
        trainings.ask(request_id, TrainingOrder(beside=beside), asked_by="rpc")
    return trainings


def claimed(engine: sa.Engine, holder: str = "t1", lease_ms: int = LONG_MS) -> Claim:
    claim = TrainingClaims(engine).claim(holder, lease_ms)
    assert claim is not None
    return claim


def test_the_oldest_is_claimed_once_whoever_asks(engine: sa.Engine) -> None:
    trainings, claims = ask(engine, "r1"), TrainingClaims(engine)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda n: claims.claim(f"t{n}", LONG_MS), range(12)))
    assert [claim.request_id for claim in found if claim is not None] == ["r1"]
    running = trainings.get("r1")
    assert (running.state, running.attempt) == (TrainingState.RUNNING, 1)
    assert running.started_at_ms is not None


def test_never_two_at_once_unless_one_was_asked_for_so(engine: sa.Engine) -> None:
    ask(engine, "r1", "r2")
    first, claims = claimed(engine), TrainingClaims(engine)
    assert first.request_id == "r1"
    assert claims.claim("t2", LONG_MS) is None
    ask(engine, "r3", beside=True)
    assert claimed(engine, "t2").request_id == "r3"
    claims.succeed(first, "v1")
    assert claims.claim("t3", LONG_MS) is None, "r3 still runs, and r2 was not asked for beside it"


def test_a_dead_trainers_training_is_taken_over_and_its_writes_are_refused(
    engine: sa.Engine,
) -> None:
    trainings, claims = ask(engine, "r1"), TrainingClaims(engine)
    dead = claimed(engine, "dead", lease_ms=0)
    heir = claimed(engine, "heir")
    assert (heir.id, heir.attempt) == (dead.id, 2)
    for write in (
        lambda: claims.renew(dead, LONG_MS),
        lambda: claims.note(dead, TrainingProgress(stage="fit")),
        lambda: claims.pin(dead, Pinned(until={("log", 0): 5})),
        lambda: claims.succeed(dead, "v1"),
        lambda: claims.fail(dead, "late"),
        lambda: claims.cancelled(dead),
        lambda: claims.give_back(dead, crashed="late"),
        lambda: claims.resume(dead.id, dead.attempt),
    ):
        with pytest.raises(ClaimLost):
            write()
    assert (trainings.get("r1").holder, trainings.get("r1").crashes) == ("heir", 1)


def test_a_trainer_that_was_silent_and_not_taken_over_goes_on(engine: sa.Engine) -> None:
    ask(engine, "r1")
    silent = claimed(engine, lease_ms=0)
    assert not TrainingClaims(engine).renew(silent, LONG_MS)
    assert TrainingClaims(engine).claim("t2", LONG_MS) is None


def test_progress_is_read_while_it_runs_and_after(engine: sa.Engine) -> None:
    trainings, claims = ask(engine, "r1"), TrainingClaims(engine)
    claim = claimed(engine)
    at = TrainingProgress(
        stage="fit", share_done=0.5, step=7, entity_loss=2.5, evaluation={"ndcg_at_10": 0.1}
    )
    claims.note(claim, at)
    assert trainings.get("r1").progress == at
    claims.succeed(claim, "v1")
    done = trainings.get("r1")
    assert (done.state, done.version, done.progress) == (TrainingState.SUCCEEDED, "v1", at)
    with pytest.raises(ClaimLost):
        claims.note(claim, at)


@pytest.mark.parametrize("until", [{("log", 0): 5, ("log", 1): 6}, None])
def test_what_a_training_works_with_is_decided_once(
    engine: sa.Engine, until: dict[tuple[str, int], int] | None
) -> None:
    ask(engine, "r1")
    claims = TrainingClaims(engine)
    first, other = Pinned(until=until, base_version="v1"), Pinned(until={("log", 0): 9})
    mine = claimed(engine, lease_ms=0)
    assert claims.pinned(mine) is None
    assert claims.pin(mine, first) == first
    heirs = claimed(engine, "heir")
    assert claims.pinned(heirs) == claims.pin(heirs, other) == first


def test_what_is_given_back_waits_and_does_not_count_as_a_crash(engine: sa.Engine) -> None:
    trainings, claims = ask(engine, "r1"), TrainingClaims(engine)
    for _ in range(CRASHES_MAX + 1):
        claims.give_back(claimed(engine))
    assert trainings.get("r1").state is TrainingState.WAITING
    assert trainings.get("r1").crashes == 0


def test_what_is_given_back_after_somebody_asked_to_cancel_it_is_cancelled(
    engine: sa.Engine,
) -> None:
    trainings, claims = ask(engine, "r1"), TrainingClaims(engine)
    claim = claimed(engine)
    trainings.cancel("r1")
    claims.give_back(claim, crashed="ended by SIGKILL; read the log")
    assert trainings.get("r1").state is TrainingState.CANCELLED


def test_what_has_crashed_is_left_alone_for_a_while_and_holds_up_nobody(
    engine: sa.Engine,
) -> None:
    ask(engine, "r1", "r2")
    TrainingClaims(engine).give_back(claimed(engine), crashed="disk full", pause_ms=LONG_MS)
    assert claimed(engine).request_id == "r2"


def test_what_crashes_again_and_again_has_failed(engine: sa.Engine) -> None:
    trainings, claims = ask(engine, "r1"), TrainingClaims(engine)
    for _ in range(CRASHES_MAX - 1):
        claims.give_back(claimed(engine), crashed="ended by SIGKILL; read the log")
        assert trainings.get("r1").error == "ended by SIGKILL; read the log"
    claims.give_back(claimed(engine), crashed="ended by SIGKILL; read the log")
    failed = trainings.get("r1")
    assert failed.state is TrainingState.FAILED
    assert "5 times" in failed.error
    assert "SIGKILL" in failed.error


def test_what_takes_its_trainer_down_again_and_again_has_failed(engine: sa.Engine) -> None:
    trainings = ask(engine, "r1")
    for _ in range(CRASHES_MAX):
        claimed(engine, lease_ms=0)
    assert TrainingClaims(engine).claim("t9", LONG_MS) is None
    assert trainings.get("r1").state is TrainingState.FAILED


HOUR_MS = 3_600_000


def test_a_clock_that_goes_back_holds_up_a_dead_trainers_training_for_a_lease_and_no_longer(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(engine, "r1")
    claims, ahead_ms = TrainingClaims(engine), now_ms() + HOUR_MS
    monkeypatch.setattr(training_claims, "now_ms", lambda: ahead_ms)
    dead = claimed(engine, "dead", lease_ms=15_000)
    monkeypatch.setattr(training_claims, "now_ms", lambda: ahead_ms - HOUR_MS)
    assert claims.claim("heir", 15_000) is None, "it may live, and renews its lease in time"
    assert not claims.renew(dead, 15_000)
    monkeypatch.setattr(training_claims, "now_ms", lambda: ahead_ms - HOUR_MS + 15_000)
    assert claimed(engine, "heir").attempt == 2


def test_a_clock_that_goes_back_does_not_prolong_a_pause_for_ever(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(engine, "r1")
    ahead_ms = now_ms() + HOUR_MS
    monkeypatch.setattr(training_claims, "now_ms", lambda: ahead_ms)
    TrainingClaims(engine).give_back(claimed(engine), crashed="disk full", pause_ms=10_000)
    monkeypatch.setattr(training_claims, "now_ms", lambda: ahead_ms - HOUR_MS)
    assert TrainingClaims(engine).claim("t2", 15_000) is None
    monkeypatch.setattr(training_claims, "now_ms", lambda: ahead_ms - HOUR_MS + 15_000)
    assert claimed(engine).attempt == 2


def test_what_a_training_explains_is_told_with_how_its_process_ended(engine: sa.Engine) -> None:
    trainings, claims = ask(engine, "r1"), TrainingClaims(engine)
    first = claimed(engine)
    claims.explain(first, "the disk is full")
    claims.give_back(first, crashed="ended with exit code 75")
    assert trainings.get("r1").error == "the disk is full; ended with exit code 75"
    second = claimed(engine)
    assert trainings.get("r1").error == "", "that was another try"
    claims.give_back(second, crashed="ended by SIGKILL")
    assert trainings.get("r1").error == "ended by SIGKILL"


def test_a_dead_trainers_training_that_was_cancelled_is(engine: sa.Engine) -> None:
    trainings = ask(engine, "r1")
    claimed(engine, lease_ms=0)
    trainings.cancel("r1")
    assert TrainingClaims(engine).claim("t2", LONG_MS) is None
    assert trainings.get("r1").state is TrainingState.CANCELLED
