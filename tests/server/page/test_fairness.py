"""Through real channels: a client that floods the server does not keep others waiting."""

import asyncio

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError
from server.factories_server import House, details_of, end_of, eventually

PAGE = {"rows": 3, "entities_per_row": 10, "exact_entities": 10}
FLOOD = 40


@pytest.mark.parametrize("name", ["quiet", None])
async def test_another_client_s_page_waits_for_one_page_of_the_flood(
    house: House, name: str | None
) -> None:
    """By name, or by the machine it calls from."""
    house.train_champion()
    async with house.serve(slots_max=1, waiting_max=100) as served:
        slots, ended = served.server.resources.slots, list[str]()

        async def page(user_id: str, client: str | None) -> None:
            assert await end_of(served.stream(user_id, client=client, **PAGE)) is StatusCode.OK
            ended.append(user_id)

        held = slots.take("whose page takes until all have come")
        pages = [asyncio.create_task(page(f"u{i}", "flood")) for i in range(FLOOD)]
        await eventually(lambda: slots.waiting == FLOOD)
        pages.append(asyncio.create_task(page("ada", name)))
        await eventually(lambda: slots.waiting == FLOOD + 1)
        held.leave()
        await asyncio.gather(*pages)
    # Behind one of the flood; how the ends of streams overtake each other is not ours.
    assert ended.index("ada") <= 3
    assert len(ended) == FLOOD + 1


async def test_who_made_room_is_told_when_to_come_again(house: House) -> None:
    house.train_champion()
    async with house.serve(slots_max=1, waiting_max=2) as served:
        slots = served.server.resources.slots
        held = slots.take("id:flood")
        calls, reads = [], []
        for waiting in (1, 2):
            calls.append(served.stream(f"u{waiting}", client="flood", **PAGE))
            reads.append(asyncio.create_task(calls[-1].read()))
            await eventually(lambda: slots.waiting == waiting)  # noqa: B023 - it is awaited here
        other = asyncio.create_task(served.page("ada", client="quiet", **PAGE))
        with pytest.raises(AioRpcError) as refused:
            await reads[1]
        details = details_of(refused.value)
        assert refused.value.code() is StatusCode.RESOURCE_EXHAUSTED
        assert details["ErrorInfo"].reason == "SLOTS_EXHAUSTED"  # type: ignore[attr-defined]
        assert "RetryInfo" in details
        held.leave()
        assert (await other).rows
        assert (await reads[0]).HasField("page_started")
        assert await end_of(calls[0]) is StatusCode.OK
        assert served.metric("pagecast_rejected_total", reason="SLOTS_EXHAUSTED") == 1
