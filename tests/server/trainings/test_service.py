"""TrainingService: trainings are asked for, watched and ended over a real channel."""

import asyncio
import time

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, insecure_channel
from server.factories_server import House, Served, details_of

from pagecast.featurestore.trainings.claims import TrainingClaims
from pagecast.featurestore.trainings.orders import TrainingOrder
from pagecast.featurestore.trainings.records import Claim, TrainingProgress
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.server.app import PagecastServer
from pagecast.server.trainings import service
from pagecast.v1 import training_pb2, training_pb2_grpc

LONG_MS = 600_000

INCREMENTAL = training_pb2.TRAINING_KIND_INCREMENTAL


def stub(served: Served) -> "training_pb2_grpc.TrainingServiceAsyncStub":
    return training_pb2_grpc.TrainingServiceStub(served.channel)


async def start(served: Served, request_id: str = "r1", **fields: object) -> training_pb2.Training:
    request = training_pb2.StartTrainingRequest(request_id=request_id, **fields)  # type: ignore[arg-type]
    return (await stub(served).StartTraining(request)).training


def claimed(house: House) -> tuple[TrainingClaims, Claim]:
    claims = TrainingClaims(house.engine)
    claim = claims.claim("t1", LONG_MS)
    assert claim is not None
    return claims, claim


async def test_a_training_is_asked_for_once_however_often(empty_house: House) -> None:
    async with empty_house.serve() as served:
        first = await start(served, budget_minutes=2.0, detail="monday")
        again = await start(served, budget_minutes=2.0, detail="a retry")
        with pytest.raises(AioRpcError) as failed:
            await start(served, budget_minutes=3.0)
        listed = await stub(served).ListTrainings(training_pb2.ListTrainingsRequest())
    assert (first.state, first.asked_by) == (training_pb2.TRAINING_STATE_WAITING, "rpc")
    assert first == again
    assert [t.request_id for t in listed.trainings] == ["r1"]
    assert failed.value.code() is StatusCode.ALREADY_EXISTS
    assert details_of(failed.value)["ErrorInfo"].reason == "REQUEST_DIFFERS"


async def test_what_was_asked_for_reaches_the_trainer(empty_house: House) -> None:
    async with empty_house.serve() as served:
        await start(
            served,
            hold_out=0.0,
            budget_steps=50,
            profile="small",
            promotion=training_pb2.TRAINING_PROMOTION_NEVER,
            beside=True,
        )
    order = claimed(empty_house)[1].order
    assert (order.hold_out, order.budget_steps, order.profile) == (0.0, 50, "small")
    assert (order.promoting, order.beside, order.budget_minutes) == ("never", True, None)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"request_id": ""}, "request_id"),
        ({"hold_out": 0.95}, "hold_out"),
        ({"budget_minutes": 0.0}, "budget_minutes"),
        ({"profile": "huge"}, "profile"),
        ({"base_version": "v1"}, "base_version"),
        ({"base_version": "v1", "kind": INCREMENTAL}, "base_version"),
        ({"until": {"seconds": 0}}, "until"),
        ({"until": {"seconds": 10**12}}, "until"),
    ],
)
async def test_bad_input_names_its_field(
    empty_house: House, fields: dict[str, object], field: str
) -> None:
    async with empty_house.serve() as served:
        with pytest.raises(AioRpcError) as failed:
            await start(served, **{"request_id": "r1", **fields})  # type: ignore[arg-type]
    assert failed.value.code() is StatusCode.INVALID_ARGUMENT
    assert details_of(failed.value)["BadRequest"].field_violations[0].field == field


async def test_a_watch_tells_every_change_until_the_end(empty_house: House) -> None:
    seen: list[training_pb2.Training] = []

    async with empty_house.serve() as served:
        await start(served)

        async def watch() -> None:
            request = training_pb2.WatchTrainingRequest(request_id="r1")
            async for change in stub(served).WatchTraining(request):
                seen.append(change.training)  # noqa: PERF401 - others look at it meanwhile

        async def until(count: int) -> None:
            while len(seen) < count:
                await asyncio.sleep(0.01)

        watching = asyncio.create_task(watch())
        await until(1)
        claims, claim = claimed(empty_house)
        await until(2)
        claims.note(claim, TrainingProgress(stage="fit", step=3, entity_loss=2.5, eta_s=1.5))
        await until(3)
        claims.succeed(claim, "v1")
        await asyncio.wait_for(watching, 20)
    states = [training_pb2.TrainingState.Name(t.state).rpartition("_")[2] for t in seen]
    assert states == ["WAITING", "RUNNING", "RUNNING", "SUCCEEDED"]
    progress = seen[2].progress
    assert (progress.stage, progress.step, progress.entity_loss) == ("fit", 3, 2.5)
    assert progress.eta.ToMilliseconds() == 1500
    assert not progress.HasField("row_loss")
    assert seen[3].model_version == "v1"


async def test_a_watch_does_not_hold_up_a_drain_and_is_begun_again(empty_house: House) -> None:
    request = training_pb2.WatchTrainingRequest(request_id="r1")
    server = PagecastServer(empty_house.config(grace_seconds=60.0))
    listening = await server.start()
    Trainings(empty_house.engine).ask("r1", TrainingOrder(), asked_by="cli")
    async with insecure_channel(listening.target) as channel:
        call = training_pb2_grpc.TrainingServiceStub(channel).WatchTraining(request)
        assert (await call.read()).training.request_id == "r1"
        began_s = time.monotonic()
        await server.drain(asyncio.Event())
        assert time.monotonic() - began_s < 30
        assert await call.code() is StatusCode.UNAVAILABLE
    async with empty_house.serve() as served:
        await stub(served).CancelTraining(training_pb2.CancelTrainingRequest(request_id="r1"))
        ended = [change.training.state async for change in stub(served).WatchTraining(request)]
    assert ended == [training_pb2.TRAINING_STATE_CANCELLED]


async def test_more_watches_than_a_bound_are_refused(
    empty_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "WATCHERS_MAX", 1)
    request = training_pb2.WatchTrainingRequest(request_id="r1")
    async with empty_house.serve() as served:
        await start(served)
        first = stub(served).WatchTraining(request)
        await first.read()
        with pytest.raises(AioRpcError) as failed:
            await stub(served).WatchTraining(request).read()
        first.cancel()
        while True:  # the cancelled one has left its place
            try:
                await stub(served).WatchTraining(request).read()
                break
            except AioRpcError:
                await asyncio.sleep(0.05)
    assert details_of(failed.value)["ErrorInfo"].reason == "TOO_MANY_WATCHERS"


async def test_an_unknown_training_is_not_found(empty_house: House) -> None:
    async with empty_house.serve() as served:
        for call in (
            stub(served).GetTraining(training_pb2.GetTrainingRequest(request_id="nope")),
            stub(served).CancelTraining(training_pb2.CancelTrainingRequest(request_id="nope")),
            stub(served).WatchTraining(training_pb2.WatchTrainingRequest(request_id="nope")).read(),
        ):
            with pytest.raises(AioRpcError) as failed:
                await call
            assert failed.value.code() is StatusCode.NOT_FOUND
            assert details_of(failed.value)["ErrorInfo"].reason == "TRAINING_UNKNOWN"


async def test_only_some_states_are_listed(empty_house: House) -> None:
    trainings = Trainings(empty_house.engine)
    async with empty_house.serve() as served:
        await start(served, "r1")
        await start(served, "r2")
        trainings.cancel("r1")
        listed = await stub(served).ListTrainings(
            training_pb2.ListTrainingsRequest(states=[training_pb2.TRAINING_STATE_CANCELLED])
        )
    assert [t.request_id for t in listed.trainings] == ["r1"]
