"""Clients ask for their next page when they have one, which shows a server's peak."""

from itertools import pairwise

import pytest
from server.factories_server import LONG_PAGE, SLOW, House

from pagecast.cli.bench.serve.closed_loop import PAUSE_S, ClosedLoop, peak_pages_per_second
from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.exits import CommandError

SHORT = PageShape(rows=2, entities_per_row=3, exact_entities=3)


async def test_a_peak_is_of_whole_pages(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        assert await peak_pages_per_second([served.channel], 0.1, SHORT, clients=2) > 0


async def test_pages_without_a_model_are_no_peak(house: House) -> None:
    async with house.serve() as served:
        with pytest.raises(CommandError, match="2 pages of a closed loop ended with MODEL_NOT_L"):
            await peak_pages_per_second([served.channel], 0.1, SHORT, clients=2)


async def test_it_waits_for_so_many_pages_of_each_client(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        loop = ClosedLoop(
            channels=[served.channel], clients=2, seconds=0.05, shape=SHORT, pages_each=20
        )
        assert await loop.run() > 0
    # On a machine that takes longer than six times the seconds there may be fewer.
    lasted_s = loop.pages[-1].ended_s - loop.pages[0].asked_s
    assert len(loop.pages) >= 40 or lasted_s > 0.3
    assert all(page.whole for page in loop.pages)


async def test_a_client_that_is_refused_asks_again_after_a_pause(house: House) -> None:
    house.train_champion(SLOW)
    async with house.serve(slots_max=1, waiting_max=0) as served:
        other = served.stream("ada", **LONG_PAGE)
        await other.read()
        loop = ClosedLoop(channels=[served.channel], clients=1, seconds=0.3, shape=SHORT)
        await loop.run()
        other.cancel()
    assert loop.pages[0].unserved
    for page, later in pairwise(loop.pages):
        assert not page.unserved or later.asked_s - page.ended_s >= PAUSE_S


async def test_a_page_that_is_no_page_ends_it_early(house: House) -> None:
    async with house.serve() as served:
        loop = ClosedLoop(channels=[served.channel], clients=1, seconds=60.0, shape=SHORT)
        with pytest.raises(CommandError, match="1 pages of a closed loop ended with MODEL_NOT_L"):
            await loop.run()
