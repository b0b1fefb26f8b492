from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.trainings.claims import TrainingClaims
from pagecast.featurestore.trainings.orders import OrderError, TrainingKind, TrainingOrder
from pagecast.featurestore.trainings.records import TrainingState
from pagecast.featurestore.trainings.trainings import (
    WAITING_MAX,
    QueueFull,
    RequestDiffers,
    Trainings,
    TrainingUnknown,
)

ORDER = TrainingOrder(budget_minutes=1.0)


def on(base: str) -> TrainingOrder:
    return TrainingOrder(kind=TrainingKind.INCREMENTAL, base_version=base)


def test_a_training_that_is_asked_for_waits(engine: sa.Engine) -> None:
    trainings = Trainings(engine)
    asked = trainings.ask("r1", ORDER, asked_by="rpc", detail="12000 events")
    assert (asked.state, asked.order, asked.detail) == (
        TrainingState.WAITING,
        ORDER,
        "12000 events",
    )
    assert trainings.get("r1") == asked
    assert trainings.list() == (asked,)


def test_asked_for_again_it_is_the_same_training(engine: sa.Engine) -> None:
    trainings = Trainings(engine)
    first = trainings.ask("r1", ORDER, asked_by="topic")
    assert trainings.ask("r1", ORDER, asked_by="rpc", detail="a retry") == first
    with pytest.raises(RequestDiffers, match="'r1' was used for another order: take a new id"):
        trainings.ask("r1", TrainingOrder(hold_out=0.5), asked_by="rpc")


def test_a_base_is_a_version_or_an_alias_that_there_is(engine: sa.Engine) -> None:
    trainings, registry = Trainings(engine), Registry(engine)
    registry.register("v7", parent_version=None, metrics={}, data={}, alias="rival")
    with pytest.raises(OrderError, match="no model or alias is called 'v8'"):
        trainings.ask("r1", on("v8"), asked_by="rpc")
    for base in ("v7", "rival"):
        assert trainings.ask(base, on(base), asked_by="rpc").order.base_version == base


@pytest.mark.parametrize("champion", ["", "champion"])
def test_the_champion_may_still_be_in_training(engine: sa.Engine, champion: str) -> None:
    asked = Trainings(engine).ask("r1", on(champion), asked_by="rpc")
    assert asked.state is TrainingState.WAITING


def test_asked_for_by_many_at_once_it_is_one(engine: sa.Engine) -> None:
    trainings = Trainings(engine)
    with ThreadPoolExecutor(8) as threads:
        asked = list(
            threads.map(lambda _: trainings.ask("r1", ORDER, asked_by="rpc").id, range(16))
        )
    assert len(set(asked)) == len(trainings.list()) == 1


def test_they_are_listed_newest_first_and_by_state(engine: sa.Engine) -> None:
    trainings = Trainings(engine)
    for name in ("r1", "r2", "r3"):
        trainings.ask(name, ORDER, asked_by="rpc")
    trainings.cancel("r2")
    assert [t.request_id for t in trainings.list()] == ["r3", "r2", "r1"]
    assert [t.request_id for t in trainings.list(limit=1)] == ["r3"]
    waiting = trainings.list(states=[TrainingState.WAITING])
    assert [t.request_id for t in waiting] == ["r3", "r1"]


def test_one_that_waits_is_cancelled_at_once_and_stays_so(engine: sa.Engine) -> None:
    trainings = Trainings(engine)
    trainings.ask("r1", ORDER, asked_by="rpc")
    ended = trainings.cancel("r1")
    assert (ended.state, ended.ended_at_ms is not None) == (TrainingState.CANCELLED, True)
    assert trainings.cancel("r1") == ended
    assert TrainingClaims(engine).claim("t1", 60_000) is None


def test_one_that_runs_is_asked_to_end(engine: sa.Engine) -> None:
    trainings, claims = Trainings(engine), TrainingClaims(engine)
    trainings.ask("r1", ORDER, asked_by="rpc")
    claim = claims.claim("t1", 60_000)
    assert claim is not None
    assert not claims.renew(claim, 60_000)
    assert trainings.cancel("r1").state is TrainingState.RUNNING
    assert claims.renew(claim, 60_000)
    claims.cancelled(claim)
    assert trainings.get("r1").state is TrainingState.CANCELLED


def test_no_more_than_a_bound_wait(sqlite_engine: sa.Engine) -> None:
    trainings = Trainings(sqlite_engine)
    for number in range(WAITING_MAX):
        trainings.ask(f"r{number}", ORDER, asked_by="rpc")
    with pytest.raises(QueueFull, match="100 trainings wait already: start a trainer"):
        trainings.ask("one-more", ORDER, asked_by="rpc")
    assert trainings.ask("r0", ORDER, asked_by="rpc").request_id == "r0"


def test_an_unknown_one_is_refused_by_name(sqlite_engine: sa.Engine) -> None:
    for call in (Trainings(sqlite_engine).get, Trainings(sqlite_engine).cancel):
        with pytest.raises(TrainingUnknown, match=r"'nope'.*trainings list"):
            call("nope")


@pytest.mark.parametrize("request_id", ["", "a\nb", "x" * 257])
def test_an_id_that_is_none_is_refused(sqlite_engine: sa.Engine, request_id: str) -> None:
    with pytest.raises(OrderError, match="request_id: must be 1 to 256"):
        Trainings(sqlite_engine).ask(request_id, ORDER, asked_by="cli")


@pytest.mark.parametrize("detail", ["x" * 1025, "a\0b"], ids=["long", "NUL"])
def test_a_detail_that_cannot_be_kept_is_refused(engine: sa.Engine, detail: str) -> None:
    with pytest.raises(OrderError, match="detail: "):
        Trainings(engine).ask("r1", ORDER, asked_by="topic", detail=detail)
    assert Trainings(engine).list() == ()
