"""Step 2: a page's model, catalog and rules fit each other, and follow the catalog."""

import asyncio
import time
from typing import NoReturn

import pytest
from factories import START_MS, genre_row, movie, timestamp, upsert
from server.factories_server import LONG_PAGE, House, eventually

from pagecast.engine.errors import EngineError
from pagecast.engine.graph import Graph
from pagecast.v1 import catalog_pb2


async def test_a_launched_entity_is_placed_within_two_seconds_without_retrain_or_restart(
    one_row_house: House,
) -> None:
    version = one_row_house.train_champion()
    async with one_row_house.serve() as served:
        assert "new" not in (await served.page("ada", **LONG_PAGE)).entity_ids
        began_s = time.monotonic()
        number = one_row_house.change(upsert(movie("new", "Opera", released_ms=START_MS - 1)))
        while "new" not in (page := await served.page("ada", **LONG_PAGE)).entity_ids:
            assert time.monotonic() - began_s < 5
        took_s = time.monotonic() - began_s
    assert took_s < 2
    assert page.started.catalog_number == number
    assert page.started.model_version == version
    assert page.started.degraded_reason == ""


async def test_a_retired_entity_and_a_new_row_show_as_well(one_row_house: House) -> None:
    one_row_house.train_champion()
    async with one_row_house.serve() as served:
        one_row_house.change(retire("m5"))
        number = one_row_house.change(upsert(genre_row("Opera")), upsert(movie("o1", "Opera")))
        await eventually(lambda: served.metric("pagecast_catalog_number") == number)
        page = await served.page("ada", **LONG_PAGE)
    assert "m5" not in page.entity_ids
    assert "o1" in page.entity_ids


async def test_pages_during_catalog_changes_are_of_one_catalog_number_each(
    one_row_house: House,
) -> None:
    one_row_house.train_champion()
    asked: list[tuple[int, bool]] = []

    async def ask(until: asyncio.Event) -> None:
        while not until.is_set():
            page = await served.page("ada", **LONG_PAGE)
            number = page.started.catalog_number
            newest = {f"n{n}" for n in range(first, number + 1)}
            asked.append((number, newest <= page.entity_ids))
            assert f"n{number + 1}" not in page.entity_ids

    async with one_row_house.serve() as served:
        first = one_row_house.catalog.number() + 1
        enough = asyncio.Event()
        asking = asyncio.create_task(ask(enough))
        for number in range(first, first + 5):
            assert one_row_house.change(upsert(movie(f"n{number}", "Comedy"))) == number
            await eventually(
                lambda n=number: served.metric("pagecast_catalog_number") == n  # type: ignore[misc]
            )
        enough.set()
        await asking
    assert len({number for number, _ in asked}) > 1
    assert all(complete for _, complete in asked)


async def test_what_prompts_look_up_is_sorted_before_a_page_asks(house: House) -> None:
    async with house.serve() as served:
        number = house.change(upsert(movie("new", "Opera", released_ms=START_MS - 1)))
        await eventually(lambda: served.metric("pagecast_catalog_number") == number)
        made = vars(served.server.resources.servings.current.snapshot)
    assert {"releases", "live_windows"} <= made.keys()


async def test_a_catalog_that_comes_late_is_served_from_then_on(empty_house: House) -> None:
    async with empty_house.serve() as served:
        number = empty_house.change(
            *(upsert(movie(f"m{i}", "Comedy")) for i in range(5)), upsert(genre_row("Comedy"))
        )
        await eventually(lambda: served.metric("pagecast_catalog_number") == number)
        assert (await served.page("ada")).rows


async def test_popularity_is_taken_up_while_serving(house: House) -> None:
    house.count(m30=9.0)
    async with house.serve() as served:
        house.count(m31=20.0, unknown=50.0)
        served.server.resources.servings.refresh_popularity()
        page = await served.page("ada", rows=1)
    assert page.shape["top"][:2] == ["m31", "m30"]


async def test_an_entity_that_cannot_be_embedded_costs_the_model_but_no_rule(
    one_row_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = one_row_house.train_champion()
    async with one_row_house.serve() as served:
        with monkeypatch.context() as broken:
            broken.setattr(Graph, "run", fail)
            number = one_row_house.change(retire("m5"), upsert(movie("bad", "Comedy")))
            await eventually(lambda: served.metric("pagecast_catalog_number") == number)
        page = await served.page("ada", **LONG_PAGE)
        number = one_row_house.change(upsert(movie("good", "Comedy")))
        await eventually(lambda: served.metric("pagecast_catalog_number") == number)
        mended = await served.page("ada", **LONG_PAGE)
    assert page.started.degraded_reason == "MODEL_NOT_LOADED"
    assert "m5" not in page.entity_ids
    assert mended.started.model_version == version
    assert {"bad", "good"} <= mended.entity_ids


def fail(self: Graph, inputs: object) -> NoReturn:
    raise EngineError(f"{self.name}: embeds to no number")


def retire(entity_id: str) -> catalog_pb2.CatalogChange:
    return catalog_pb2.CatalogChange(occurred_at=timestamp(START_MS), retire_entity_id=entity_id)
