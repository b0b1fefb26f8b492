"""FeatureService: the history as a page would see it."""

import pytest
from factories import START_MS, play, rate
from grpc import StatusCode
from grpc.aio import AioRpcError
from server.factories_server import House, Served, break_store, details_of

from pagecast.v1 import feature_pb2, feature_pb2_grpc


async def history_of(
    served: Served, user_id: str, steps_max: int = 0
) -> feature_pb2.GetHistoryResponse:
    request = feature_pb2.GetHistoryRequest(user_id=user_id, steps_max=steps_max)
    return await feature_pb2_grpc.FeatureServiceStub(served.channel).GetHistory(request)


async def test_a_history_has_its_version_and_its_steps_oldest_first(house: House) -> None:
    house.remember(
        "ada",
        play("ada", "m1", START_MS - 3_600_000),
        rate("ada", "m2", 4.5, START_MS, session_id="s2"),
    )
    async with house.serve() as served:
        history = await history_of(served, "ada")
    assert history.version.next_offset == 2
    played, rated = history.steps
    assert (played.action, played.entity_id) == ("play_feature", "m1")
    assert not played.HasField("rating")
    assert not played.HasField("watched")
    assert played.occurred_at.ToMilliseconds() == START_MS - 3_600_000
    assert (rated.action, rated.entity_id, rated.rating) == ("rate", "m2", 4.5)
    assert (rated.context.session_id, rated.context.device) == ("s2", "tv")


async def test_only_the_newest_steps_if_so_asked(house: House) -> None:
    events = [play("ada", f"m{i}", START_MS + i * 3_600_000) for i in range(5)]
    house.remember("ada", *events)
    async with house.serve() as served:
        history = await history_of(served, "ada", steps_max=2)
    assert [step.entity_id for step in history.steps] == ["m3", "m4"]


async def test_a_stranger_is_not_found(house: House) -> None:
    async with house.serve() as served:
        with pytest.raises(AioRpcError) as failed:
            await history_of(served, "nobody")
    assert failed.value.code() is StatusCode.NOT_FOUND
    assert details_of(failed.value)["ErrorInfo"].reason == "USER_UNKNOWN"


async def test_a_store_that_is_broken_is_said_to_be_unavailable(house: House) -> None:
    async with house.serve() as served:
        break_store(house)
        with pytest.raises(AioRpcError) as failed:
            await history_of(served, "ada")
    assert failed.value.code() is StatusCode.UNAVAILABLE
    assert details_of(failed.value)["ErrorInfo"].reason == "FEATURE_STORE_UNAVAILABLE"
