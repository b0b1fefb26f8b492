"""Kept prefixes of histories, as a client and an operator see them."""

import pytest
from factories import START_MS, play, timestamp
from server.factories_server import FILMS, House, eventually

from pagecast.engine.batching import prefix_cache
from pagecast.featurestore.history.history import History
from pagecast.server import resources
from pagecast.server.page.users import StoreUnavailable, User

MINUTE_MS = 60_000
SHORT = {"rows": 3, "entities_per_row": 6}


def remember_many(house: House, steps: int, first: int = 0) -> History:
    return house.remember(
        "ada",
        *(
            play("ada", f"m{i % FILMS}", START_MS - (100 - i) * MINUTE_MS)
            for i in range(first, first + steps)
        ),
    )


async def test_a_page_feeds_only_what_is_new_and_is_the_same_page(house: House) -> None:
    house.train_champion()
    remember_many(house, 20)
    async with house.serve() as served, house.serve(prefix_cache_mb=0) as without:

        def found() -> float:
            return served.metric("pagecast_prefix_positions_found")

        await served.page("ada", **SHORT)
        assert found() == 0
        later = timestamp(START_MS + MINUTE_MS)
        again = await served.page("ada", requested_at=later, **SHORT)
        assert found() == 21
        assert again.shape == (await without.page("ada", requested_at=later, **SHORT)).shape
        remember_many(house, 1, first=20)
        changed = await served.page("ada", requested_at=later, **SHORT)
        assert found() == 2 * 21
        assert changed.shape == (await without.page("ada", requested_at=later, **SHORT)).shape
        assert without.metric("pagecast_prefix_bytes") == 0


async def test_a_user_who_is_gone_leaves_nothing_behind(house: House) -> None:
    house.train_champion()
    remember_many(house, 20)
    async with house.serve() as served:
        await served.page("ada", **SHORT)
        assert served.metric("pagecast_prefix_bytes") > 0
        served.server.resources.prefixes.forget("ada")
        assert served.metric("pagecast_prefix_bytes") == 0
        await served.page("nobody", **SHORT)
        assert served.metric("pagecast_prefix_bytes") == 0


async def test_nothing_is_kept_of_a_history_that_was_read_before_its_user_was_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.train_champion()
    remember_many(house, 20)
    async with house.serve() as served:
        users, prefixes = served.server.resources.users, served.server.resources.prefixes
        read = users.read

        def read_and_forget(user_id: str, time_max_s: float) -> User:
            user = read(user_id, time_max_s)
            prefixes.forget(user_id)
            return user

        with monkeypatch.context() as patch:
            patch.setattr(users, "read", read_and_forget)
            await served.page("ada", **SHORT)
        assert served.metric("pagecast_prefix_bytes") == 0
        await served.page("ada", **SHORT)
        assert served.metric("pagecast_prefix_bytes") > 0


async def test_a_store_that_is_away_for_a_page_costs_nobody_what_is_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is a stranger's, made under the name of one whose history is known."""
    house.train_champion()
    remember_many(house, 20)
    async with house.serve() as served:
        users = served.server.resources.users

        def away(_user_id: str, _time_max_s: float) -> User:
            raise StoreUnavailable("it is away")

        await served.page("ada", **SHORT)
        kept_bytes = served.metric("pagecast_prefix_bytes")
        with monkeypatch.context() as patch:
            patch.setattr(users, "read", away)
            page = await served.page("ada", **SHORT)
        assert page.started.degraded_reason == "FEATURE_STORE_UNAVAILABLE"
        assert served.metric("pagecast_prefix_bytes") == kept_bytes > 0
        await served.page("ada", **SHORT)
        assert served.metric("pagecast_prefix_positions_found") == 21


async def test_what_nobody_uses_is_dropped_though_no_page_follows(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.train_champion()
    remember_many(house, 20)
    monkeypatch.setattr(resources, "PREFIX_IDLE_SECONDS_MAX", 1.0)
    async with house.serve() as served:
        await served.page("ada", **SHORT)
        assert served.metric("pagecast_prefix_bytes") > 0
        monkeypatch.setattr(prefix_cache, "PREFIX_IDLE_SECONDS_MAX", 0.0)
        await eventually(lambda: served.metric("pagecast_prefix_bytes") == 0)
