"""The life of a model, step 9: champions are taken up under load, and only if they are sound."""

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from engine.factories_engine import TinyModel
from server.factories_server import House, Page, eventually
from structlog.testing import capture_logs

from pagecast.engine.bundles.bundle import Bundle
from pagecast.featurestore.catalog.catalog import CatalogFollower
from pagecast.server.metrics import Metrics
from pagecast.server.models.champion import ChampionFollower
from pagecast.server.models.former_models import FormerModels
from pagecast.server.models.loading_ahead import LoadedAhead
from pagecast.server.models.serving import Servings

OTHER = TinyModel(seed=1)


async def test_a_promoted_model_serves_new_pages_without_a_restart(house: House) -> None:
    async with house.serve() as served:
        assert (await served.page("ada")).started.model_version == ""
        version = house.train_champion()
        swapped = ("pagecast_model_swaps_total", {"outcome": "swapped"})
        await eventually(lambda: served.metric(swapped[0], **swapped[1]) == 1, 5)
        assert (await served.page("ada")).started.model_version == version
        assert served.metric("pagecast_model_info", version=version) == 1


async def test_a_swap_says_what_its_parts_took(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        version = house.train(OTHER)
        with capture_logs() as logs:
            house.registry.promote(version, by="test")
            await eventually(lambda: served.metric("pagecast_model_info", version=version) == 1)
            await eventually(lambda: told_of(logs, "model_swapped") != [])
        parts = ("read", "parse", "graphs", "check", "embed", "warm", "exchange")
        counted = [served.metric("pagecast_swap_seconds_count", part=part) for part in parts]
    (told,) = told_of(logs, "model_swapped")
    assert (told["version"], told["log_level"]) == (version, "info")
    assert all(told[f"{part}_ms"] >= 0 for part in parts)
    assert told["cpu_ms"] > 0
    assert counted == [2] * len(parts)  # the champion that was there was taken up as well


def told_of(logs: list[Any], event: str) -> list[Any]:
    return [told for told in logs if told["event"] == event]


async def test_a_champion_that_is_there_serves_the_first_page(house: House) -> None:
    version = house.train_champion()
    async with house.serve() as served:
        assert (await served.page("ada")).started.model_version == version


async def test_no_page_mixes_versions_and_none_fails_while_models_are_swapped(
    house: House,
) -> None:
    versions = [house.train_champion(), house.train(OTHER)]
    pages: list[Page] = []

    async def ask(served_until: asyncio.Event) -> None:
        while not served_until.is_set():
            pages.append(await served.page("ada", rows=7, entities_per_row=8))

    async with house.serve() as served:
        enough = asyncio.Event()
        asking = [asyncio.create_task(ask(enough)) for _ in range(2)]
        for swap in range(1, 4):
            version = versions[swap % 2]
            house.registry.promote(version, by="test")
            await eventually(lambda v=version: served.metric("pagecast_model_info", version=v) == 1)
            await asyncio.sleep(0.1)
        enough.set()
        await asyncio.gather(*asking)
    shapes = {page.started.model_version: page.shape for page in pages}
    assert set(shapes) == set(versions)
    assert shapes[versions[0]] != shapes[versions[1]]
    assert all(page.shape == shapes[page.started.model_version] for page in pages)


def test_swaps_back_and_forth_leave_one_model_and_for_a_while_the_one_before(
    house: House,
) -> None:
    others = WeakSet(bundles_in_memory())  # of tests before
    versions = [house.train_champion(), house.train(OTHER)]
    with CatalogFollower(house.catalog) as catalog:
        servings = Servings(catalog, house.popularity, Metrics())
        former = FormerModels(house.registry, house.paths.bundles)
        ahead = LoadedAhead(house.registry, house.paths.bundles, servings)
        champion = ChampionFollower(
            house.registry, house.paths.bundles, servings, former, Metrics(), ahead
        )
        champion.check()
        for swap in range(1, 5):
            version = versions[swap % 2]
            house.registry.promote(version, by="test")
            champion.check()
            serving = servings.current.model
            assert serving is not None
            assert serving.version == version
        assert live_versions(others) == sorted(versions)
        former.drop_unused(seconds_max=0)
        del serving
        assert live_versions(others) == [versions[0]]


def bundles_in_memory() -> list[Bundle]:
    gc.collect()
    return [one for one in gc.get_objects() if issubclass(type(one), Bundle)]


def live_versions(others: WeakSet[Bundle]) -> list[str]:
    """A version that was loaded twice is there twice."""
    return sorted(one.version for one in bundles_in_memory() if one not in others)


def flip_a_bit(graph: Path, _: Path) -> None:
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)


def cut_short(graph: Path, _: Path) -> None:
    graph.write_bytes(graph.read_bytes()[:-100])


def take_from_another(graph: Path, other: Path) -> None:
    graph.write_bytes((other / graph.name).read_bytes())


def link_elsewhere(graph: Path, _: Path) -> None:
    graph.unlink()
    graph.symlink_to("/etc/hostname")


@pytest.mark.parametrize("damage", [flip_a_bit, cut_short, take_from_another, link_elsewhere])
async def test_a_bundle_that_is_not_what_was_published_is_refused_and_the_one_before_goes_on(
    house: House, damage: Callable[[Path, Path], None]
) -> None:
    version = house.train_champion()
    async with house.serve() as served:
        broken = house.train(OTHER)
        damage(house.paths.bundles / broken / "decode.onnx", house.paths.bundles / version)
        house.registry.promote(broken, by="test")
        await eventually(
            lambda: served.metric("pagecast_model_swaps_total", outcome="refused") == 1
        )
        assert (await served.page("ada")).started.model_version == version
        house.registry.rollback(by="test")
        await asyncio.sleep(1.2)
        assert served.metric("pagecast_model_swaps_total", outcome="refused") == 1


async def test_a_bundle_that_is_not_there_leaves_pages_to_popularity(house: House) -> None:
    version = house.train_champion()
    (house.paths.bundles / version).rename(house.paths.bundles / "elsewhere")
    async with house.serve() as served:
        page = await served.page("ada")
        assert served.metric("pagecast_model_swaps_total", outcome="refused") == 1
    assert page.started.degraded_reason == "MODEL_NOT_LOADED"


async def test_a_bundle_under_another_version_s_name_is_refused(house: House) -> None:
    first, second = house.train(), house.train(OTHER)
    bundles = house.paths.bundles
    (bundles / first).rename(bundles / "first")
    (bundles / second).rename(bundles / first)
    house.registry.promote(first, by="test")
    async with house.serve() as served:
        assert served.metric("pagecast_model_swaps_total", outcome="refused") == 1
        assert (await served.page("ada")).started.degraded_reason == "MODEL_NOT_LOADED"
