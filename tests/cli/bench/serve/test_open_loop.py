"""Pages are asked for when they are due, not when others have ended."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.factories_server import SLOW, House

from pagecast.cli.bench.serve.open_loop import OpenLoop, by_chance
from pagecast.cli.bench.serve.page_shape import PageShape

SHORT = PageShape(rows=2, entities_per_row=3, exact_entities=3)
LONG = PageShape(rows=7, entities_per_row=40, exact_entities=40)


@given(pages=st.integers(1, 200), seconds=st.floats(0.1, 60.0))
def test_so_many_come_in_that_time_and_the_same_ones_every_time(pages: int, seconds: float) -> None:
    moments_s = by_chance(pages, seconds)
    assert len(moments_s) == pages
    assert moments_s == sorted(moments_s) == by_chance(pages, seconds)
    assert moments_s[0] >= 0 and moments_s[-1] <= seconds


async def test_pages_are_asked_for_whatever_becomes_of_others(house: House) -> None:
    version = house.train_champion()
    loop = OpenLoop(shape=SHORT)
    async with house.serve() as served:
        await loop.ask_at([served.channel], [0.0, 0.0, 0.1])
    assert (len(loop.pages), loop.failed, loop.left_out) == (3, 0, 0)
    began_s = loop.pages[0].due_s
    assert [page.due_s - began_s for page in loop.pages] == pytest.approx([0.0, 0.0, 0.1])
    assert [model for _, model in loop.started] == [version] * 3
    assert len(loop.first_rows_between(began_s, began_s + 0.05)) == 2


async def test_one_that_is_cancelled_lets_pages_in_flight_end(house: House) -> None:
    house.train_champion()
    loop = OpenLoop(shape=SHORT)
    async with house.serve() as served:
        asking = asyncio.create_task(loop.keep_asking(served.channel, 100.0))
        await asyncio.sleep(0.1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert loop.pages and all(page.whole for page in loop.pages)
    assert len(loop.started) == len(loop.pages)


async def test_more_than_may_be_in_flight_are_left_out(house: House) -> None:
    house.train_champion()
    loop = OpenLoop(shape=SHORT, at_once_max=1)
    async with house.serve() as served:
        await loop.ask_at([served.channel], [0.0, 0.0, 0.0])
    assert (len(loop.pages), loop.failed, loop.left_out) == (1, 0, 2)


async def test_pages_that_were_refused_have_failed(house: House) -> None:
    house.train_champion(SLOW)
    loop = OpenLoop(shape=LONG)
    async with house.serve(slots_max=1, waiting_max=0) as served:
        await loop.ask_at([served.channel], [0.0, 0.0])
    assert (len(loop.pages), loop.failed) == (2, 1)
