"""RPCs about models, trainings and experiments while the database they ask hangs."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest
from factories_relay import Relay
from grpc import StatusCode
from grpc.aio import AioRpcError
from server.factories_server import House, Served, details_of

from pagecast.server.rpc import registry_calls
from pagecast.v1 import (
    experiment_pb2,
    experiment_pb2_grpc,
    feature_pb2,
    feature_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)

TIME_S = 0.3


@pytest.fixture
async def served(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    monkeypatch.setattr(registry_calls, "ANSWER_TIME_MAX_S", TIME_S)
    house = House(tmp_path / "state")
    async with house.serve(database_url=relay.url("postgres")) as served:
        yield served
    house.close()


def asked(served: Served) -> list[Awaitable[object]]:
    """A question of each service, none of which says how long it waits."""
    models = model_pb2_grpc.ModelServiceStub(served.channel)
    trainings = training_pb2_grpc.TrainingServiceStub(served.channel)
    experiments = experiment_pb2_grpc.ExperimentServiceStub(served.channel)
    return [
        models.ListModels(model_pb2.ListModelsRequest()),
        trainings.ListTrainings(training_pb2.ListTrainingsRequest()),
        trainings.StartTraining(training_pb2.StartTrainingRequest(request_id="one")),
        experiments.ListExperiments(experiment_pb2.ListExperimentsRequest()),
    ]


async def answered(questions: list[Awaitable[object]]) -> list[object]:
    """What each was answered, or how it failed."""
    async with asyncio.timeout(20):
        return await asyncio.gather(*questions, return_exceptions=True)


async def failed(questions: list[Awaitable[object]]) -> set[tuple[StatusCode, str]]:
    """How all of them failed."""
    errors = await answered(questions)
    assert all(isinstance(error, AioRpcError) for error in errors), errors
    return {(e.code(), details_of(e)["ErrorInfo"].reason) for e in errors}


UNAVAILABLE = {(StatusCode.UNAVAILABLE, "REGISTRY_UNAVAILABLE")}


async def test_who_asks_is_told_in_time_and_at_once_while_every_thread_hangs(
    served: Served, relay: Relay
) -> None:
    with relay.hanging():
        assert await failed(asked(served) + asked(served)) == UNAVAILABLE
        began_s = time.monotonic()
        for _ in range(10):
            assert await failed(asked(served)) == UNAVAILABLE
        assert time.monotonic() - began_s < 10 * TIME_S / 2
    async with asyncio.timeout(20):
        while any(isinstance(one, AioRpcError) for one in await answered(asked(served))):
            await asyncio.sleep(0.05)


async def test_no_other_rpc_waits_with_them(served: Served, relay: Relay) -> None:
    request = feature_pb2.GetHistoryRequest(user_id="ada")
    with relay.hanging():
        waiting = [one for _ in range(20) for one in asked(served)]
        history = feature_pb2_grpc.FeatureServiceStub(served.channel).GetHistory(request)
        assert await failed([history]) == {(StatusCode.NOT_FOUND, "USER_UNKNOWN")}
        assert await failed(waiting) == UNAVAILABLE
