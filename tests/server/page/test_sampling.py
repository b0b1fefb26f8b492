"""Pages that are drawn, through real channels: reproducible, lawful, carried on as they began."""

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError
from server.factories_server import House, details_of

from pagecast.v1 import events_pb2

PAGE = {"rows": 4, "entities_per_row": 6}
WARM = events_pb2.Sampling(temperature=2.0)


async def test_a_seed_draws_the_same_page_on_every_server_and_another_seed_another(
    house: House,
) -> None:
    house.train_champion()
    async with house.serve() as one, house.serve(prefix_cache_mb=0) as another:
        page = await one.page("ada", seed=1, sampling=WARM, **PAGE)
        same = await another.page("ada", seed=1, sampling=WARM, **PAGE)
        other = await one.page("ada", seed=2, sampling=WARM, **PAGE)
        best = await one.page("ada", seed=1, **PAGE)
        cold = await one.page("ada", seed=2, sampling=events_pb2.Sampling(top_p=0.5), **PAGE)
    assert page.shape == same.shape
    assert len({str(p.shape) for p in (page, other, best)}) == 3
    assert cold.shape == best.shape, "without a temperature nothing is drawn"
    placed = [entity.entity_id for row in page.rows for entity in row.entities]
    assert len(placed) == len(set(placed)) == 24


async def test_a_page_that_is_drawn_is_carried_on_with_its_own_seed(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        whole = await served.page("ada", seed=1, sampling=WARM, **PAGE)
        first = await served.page("ada", seed=1, sampling=WARM, rows=2, entities_per_row=6)
        rest = await served.page("ada", seed=9, rows=2, continuation=first.rows[-1].continuation)
    assert first.shape | rest.shape == whole.shape


@pytest.mark.parametrize(
    "sampling",
    [
        events_pb2.Sampling(temperature=-1),
        events_pb2.Sampling(temperature=float("nan")),
        events_pb2.Sampling(temperature=1, top_p=1.5),
    ],
)
async def test_what_cannot_be_drawn_with_is_refused(
    house: House, sampling: events_pb2.Sampling
) -> None:
    async with house.serve() as served:
        with pytest.raises(AioRpcError) as failed:
            await served.page("ada", sampling=sampling)
    assert failed.value.code() is StatusCode.INVALID_ARGUMENT
    [violation] = details_of(failed.value)["BadRequest"].field_violations  # type: ignore[attr-defined]
    assert violation.field.startswith("sampling.")


async def test_the_coldest_and_the_hottest_draws_are_pages(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        best = await served.page("ada", **PAGE)
        coldest = events_pb2.Sampling(temperature=1e-38, top_p=1e-30)
        assert (await served.page("ada", sampling=coldest, **PAGE)).shape == best.shape
        hottest = events_pb2.Sampling(temperature=10, top_p=1)
        assert len((await served.page("ada", sampling=hottest, **PAGE)).rows) == 4
