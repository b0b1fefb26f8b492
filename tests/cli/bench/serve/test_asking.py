"""A client sees what becomes of its page; pages are counted by their rows."""

import asyncio

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.factories_server import LONG_PAGE, SLOW, House

from pagecast.cli.bench.serve.asking import AskedPage, ask, pages_per_second, whole_page
from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.exits import CommandError

TWO_ROWS = PageShape(rows=2, entities_per_row=3, exact_entities=3)


async def test_a_whole_page_has_its_rows_and_their_moments(house: House) -> None:
    version = house.train_champion()
    page = AskedPage()
    async with house.serve() as served:
        await ask(served.channel, TWO_ROWS.request("ada"), page)
    assert (page.whole, page.refused, page.model) == (True, False, version)
    moments = [page.due_s, page.asked_s, page.started_s, *page.rows_s, page.ended_s]
    assert len(page.rows_s) == 2 and moments == sorted(moments)
    assert page.first_row_ms == pytest.approx((page.rows_s[0] - page.due_s) * 1000)


async def test_a_degraded_page_is_none(house: House) -> None:
    page = AskedPage()
    async with house.serve() as served:
        await ask(served.channel, TWO_ROWS.request("ada"), page)
    assert (page.whole, page.code, page.fault) == (False, None, "MODEL_NOT_LOADED")


async def test_a_page_that_must_be_whole_and_is_not_is_an_error(house: House) -> None:
    async with house.serve() as served:
        with pytest.raises(CommandError, match="by itself ended with MODEL_NOT_LOADED"):
            await whole_page(served.channel, TWO_ROWS.request("ada"))


async def test_a_refused_page_says_so(house: House) -> None:
    house.train_champion(SLOW)
    page = AskedPage()
    async with house.serve(slots_max=1, waiting_max=0) as served:
        other = served.stream("ada", **LONG_PAGE)
        await other.read()
        await ask(served.channel, TWO_ROWS.request("bob"), page)
        other.cancel()
    assert (page.whole, page.refused, page.first_row_ms) == (False, True, None)
    assert page.unserved and not page.fault
    assert page.ended_s > page.asked_s


async def test_a_client_that_is_late_keeps_its_page_waiting(house: House) -> None:
    house.train_champion()
    page = AskedPage()
    await asyncio.sleep(0.1)
    async with house.serve() as served:
        await ask(served.channel, TWO_ROWS.request("ada"), page)
    assert page.first_row_ms is not None and page.first_row_ms > 100


def asked(rows_s: list[float], code: grpc.StatusCode | None = None) -> AskedPage:
    return AskedPage(due_s=0.0, rows_s=rows_s, ended_s=9.0, code=code)


@given(
    pages=st.lists(st.lists(st.floats(0, 10, exclude_max=True), min_size=2, max_size=2)),
    cut_s=st.floats(0.1, 9.9),
)
def test_parts_of_a_time_have_the_pages_of_the_whole(
    pages: list[list[float]], cut_s: float
) -> None:
    seen = [asked(sorted(rows_s)) for rows_s in pages]

    def count(begin_s: float, end_s: float) -> float:
        return pages_per_second(seen, begin_s, end_s, TWO_ROWS) * (end_s - begin_s)

    assert count(0, 10) == pytest.approx(len(pages))
    assert count(0, cut_s) + count(cut_s, 10) == pytest.approx(len(pages))


def test_rows_of_pages_that_were_cut_are_no_pages() -> None:
    cut = asked([1.0, 2.0], grpc.StatusCode.DEADLINE_EXCEEDED)
    assert pages_per_second([cut, asked([1.0, 2.0])], 0.0, 10.0, TWO_ROWS) == pytest.approx(0.1)
