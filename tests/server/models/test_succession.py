"""A new champion takes people over one by one if that spares them and others a whole prompt."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from engine.factories_engine import TinyModel
from factories import START_MS, movie, play, upsert
from hypothesis import given
from hypothesis import strategies as st
from server.factories_server import FILMS, House, Served, eventually

from pagecast.server.models import succession
from pagecast.server.models.succession import (
    OWN_MOMENT_S_MIN,
    QUIET_S,
    SUCCESSION_S_MAX,
    Succession,
    moment_s,
)

OTHER = TinyModel(seed=1)
MINUTE_MS = 60_000
SHORT = {"rows": 3, "entities_per_row": 6}


@pytest.fixture
def old(house: House) -> str:
    """The champion; ada has a history worth keeping."""
    films = (f"m{i % FILMS}" for i in range(20))
    house.remember(
        "ada", *(play("ada", film, START_MS - (30 - i) * MINUTE_MS) for i, film in enumerate(films))
    )
    return house.train_champion()


@contextmanager
def somebody_else(served: Served) -> Iterator[None]:
    """Another page is being made meanwhile."""
    place = served.server.resources.slots.take("somebody else")
    try:
        yield
    finally:
        place.leave()


async def promoted(house: House, served: Served, model: TinyModel = OTHER) -> str:
    version = house.train(model)
    house.registry.promote(version, by="test")
    await eventually(lambda: served.metric("pagecast_model_info", version=version) == 1)
    return version


async def version_for(served: Served, user_id: str) -> str:
    return (await served.page(user_id, **SHORT)).started.model_version


async def test_who_would_lose_a_kept_history_is_served_as_before_for_a_while(
    house: House, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "moment_s", lambda *_: SUCCESSION_S_MAX)
    async with house.serve() as served:
        before = await served.page("ada", **SHORT)
        with somebody_else(served):
            new = await promoted(house, served)
            assert await version_for(served, "a stranger") == new
            after = await served.page("ada", **SHORT)
            monkeypatch.setattr(succession, "moment_s", lambda *_: 0.0)
            assert await version_for(served, "ada") == new
    assert (before.started.model_version, after.started.model_version) == (old, old)
    assert after.shape == before.shape


async def test_who_has_come_over_stays_there(
    house: House, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "moment_s", lambda *_: SUCCESSION_S_MAX)
    async with house.serve() as served:
        assert await version_for(served, "ada") == old
        new = await promoted(house, served)
        assert await version_for(served, "ada") == new  # the first page after the exchange
        with somebody_else(served):
            assert await version_for(served, "ada") == new


async def test_behind_a_page_by_the_old_champion_the_next_one_by_the_new_is_prepared(
    house: House, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "moment_s", lambda *_: SUCCESSION_S_MAX)
    async with house.serve() as served:
        await served.page("ada", **SHORT)
        prefixes = served.server.resources.prefixes
        with somebody_else(served):
            new = await promoted(house, served)
            assert await version_for(served, "a stranger") == new
            assert await version_for(served, "ada") == old
            await eventually(lambda: prefixes.keeps(("ada", new)))
            asked, found = prefixes.positions_asked, prefixes.positions_found
            page = await served.page("ada", **SHORT)
        fed = (prefixes.positions_asked - asked) - (prefixes.positions_found - found)
    assert page.started.model_version == new
    assert fed < 10  # the request and its context; a whole prompt is 20 more
    async with house.serve() as served:
        assert (await served.page("ada", **SHORT)).shape == page.shape


def of_two(kept: set[str]) -> Callable[[float], bool]:
    """Whether ada's page is still by `v1` if the server was idle for so long."""
    over = Succession.begin(SimpleNamespace(version="v1"))  # type: ignore[arg-type]
    return lambda idle_s: over.stays("ada", "v2", lambda version: version in kept, idle_s)


def test_on_a_busy_server_only_the_first_page_feeds_a_whole_prompt() -> None:
    stays = of_two({"v1"})
    assert not stays(0.0)  # so a promotion shows
    assert stays(0.0)
    assert stays(0.01)
    assert not stays(QUIET_S)


@pytest.mark.parametrize("kept", [set(), {"v2"}, {"v1", "v2"}])
def test_who_loses_nothing_is_the_new_champion_s_at_once(kept: set[str]) -> None:
    assert not of_two(kept)(0.0)


async def test_back_to_a_model_that_is_in_memory_all_go_at_once(
    house: House, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "moment_s", lambda *_: SUCCESSION_S_MAX)
    async with house.serve() as served:
        new = await promoted(house, served)
        assert await version_for(served, "ada") == new
        house.registry.rollback(by="test")
        await eventually(lambda: served.metric("pagecast_model_info", version=old) == 1)
        with somebody_else(served):
            assert await version_for(served, "ada") == old


async def test_the_champion_before_follows_the_catalog_as_long_as_it_serves(
    house: House, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "moment_s", lambda *_: SUCCESSION_S_MAX)
    async with house.serve() as served:
        await served.page("ada", **SHORT)
        with somebody_else(served):
            new = await promoted(house, served)
            assert await version_for(served, "a stranger") == new
            number = house.change(upsert(movie("new", "Comedy")))
            await eventually(lambda: served.metric("pagecast_catalog_number") == number)
            page = await served.page("ada", **SHORT)
            began_s = time.monotonic()
            # The champion follows first, and is what the metric tells of.
            while page.started.catalog_number != number and time.monotonic() - began_s < 5:
                page = await served.page("ada", **SHORT)
    assert (page.started.model_version, page.started.catalog_number) == (old, number)


async def test_nothing_is_left_of_a_succession_that_is_over(
    house: House, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "SUCCESSION_S_MAX", 0.2)
    async with house.serve() as served:
        await promoted(house, served)
        servings = served.server.resources.servings
        began_s = time.monotonic()
        while servings.current.succession is not None:
            await asyncio.sleep(0.05)
            servings.end_succession()
            assert time.monotonic() - began_s < 5


@given(user_id=st.text(max_size=20), version=st.text("0123456789abcdef", min_size=16, max_size=16))
def test_everybody_has_a_moment_in_the_second_half_of_the_succession(
    user_id: str, version: str
) -> None:
    assert OWN_MOMENT_S_MIN <= moment_s(user_id, version) < SUCCESSION_S_MAX
    assert moment_s(user_id, version) == moment_s(user_id, version)


def test_moments_are_spread_evenly_and_others_with_every_model() -> None:
    moments = sorted(moment_s(f"u{i}", "v1") for i in range(1000))
    for share in (0.25, 0.5, 0.75):
        expected_s = OWN_MOMENT_S_MIN + share * (SUCCESSION_S_MAX - OWN_MOMENT_S_MIN)
        assert moments[int(share * 1000)] == pytest.approx(expected_s, abs=1.0)
    assert moment_s("ada", "v1") != moment_s("ada", "v2")
