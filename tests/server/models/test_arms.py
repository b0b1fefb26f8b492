"""Experiments in the server: each user's whole page is made by the model of the user's arm."""

import asyncio
import shutil
import time
from collections.abc import Iterable

from engine.factories_engine import TinyModel
from factories import START_MS, movie, upsert
from server.factories_server import LONG_PAGE, House, Page, Served

from pagecast.featurestore.experiments.assignment import Arm, Experiment
from pagecast.featurestore.experiments.store import Experiments
from pagecast.server.models.arms import ARM_MODELS_MAX

OTHER = TinyModel(seed=1)
FELL_BACK = "ARM_MODEL_NOT_LOADED"


def with_rival(house: House) -> dict[str, str]:
    """Versions by alias."""
    versions = {"champion": house.train_champion(), "rival": house.train(OTHER)}
    house.registry.point("rival", versions["rival"], by="test")
    return versions


def start(house: House, name: str = "one", **shares: float) -> Experiment:
    arms = shares or {"champion": 0.4, "rival": 0.4}
    return Experiments(house.engine).start(
        name, [Arm(alias=alias, share=share) for alias, share in arms.items()]
    )


def users_of(experiment: Experiment, *aliases: str | None) -> list[str]:
    """A user of each arm; of None, one of those who are left out."""
    users = (f"user-{number}" for number in range(10_000))
    found: dict[str | None, str] = {}
    for user_id in users:
        found.setdefault(experiment.draw(user_id), user_id)
        if found.keys() >= set(aliases):
            break
    return [found[alias] for alias in aliases]


async def pages(served: Served, users: Iterable[str]) -> list[Page]:
    return [await served.page(user_id) for user_id in users]


async def until_arm(served: Served, user_id: str, arm: str) -> float:
    """Seconds until the user's pages are of the arm."""
    began_s = time.monotonic()
    while (await served.page(user_id)).started.arm != arm:
        assert time.monotonic() - began_s < 10
    return time.monotonic() - began_s


async def test_each_arm_s_users_get_its_model_and_the_others_the_champion(house: House) -> None:
    versions = with_rival(house)
    users = users_of(start(house), "champion", "rival", None)
    async with house.serve() as served:
        found = [page.started for page in await pages(served, users)]
    assert [(one.arm, one.model_version) for one in found] == [
        ("one/champion", versions["champion"]),
        ("one/rival", versions["rival"]),
        ("champion", versions["champion"]),
    ]
    assert {one.degraded_reason for one in found} == {""}


async def test_a_start_a_stop_and_a_moved_alias_are_followed_within_two_seconds(
    house: House,
) -> None:
    versions = with_rival(house)
    async with house.serve() as served:
        experiment = start(house)
        (user_id,) = users_of(experiment, "rival")
        assert await until_arm(served, user_id, "one/rival") < 2
        house.registry.point("rival", versions["champion"], by="test")
        began_s = time.monotonic()
        while (page := await served.page(user_id)).started.model_version == versions["rival"]:
            assert time.monotonic() - began_s < 2
        assert page.started.arm == "one/rival"
        Experiments(house.engine).stop("one")
        assert await until_arm(served, user_id, "champion") < 2


async def test_users_of_an_arm_without_a_model_get_the_champion_and_the_page_says_so(
    house: House,
) -> None:
    versions = with_rival(house)
    experiment = start(house)
    users = users_of(experiment, "rival", "champion")
    shutil.rmtree(house.paths.bundles / versions["rival"])
    async with house.serve() as served:
        gone, champion = [page.started for page in await pages(served, users)]
        assert served.metric("pagecast_degraded_pages_total", reason=FELL_BACK) == 1
    assert (gone.arm, gone.model_version) == ("one/rival", versions["champion"])
    assert (gone.degraded_reason, champion.degraded_reason) == (FELL_BACK, "")


async def test_arms_follow_the_catalog_as_the_champion_does(one_row_house: House) -> None:
    versions = with_rival(one_row_house)
    (user_id,) = users_of(start(one_row_house), "rival")
    async with one_row_house.serve() as served:
        number = one_row_house.change(upsert(movie("new", "Opera", released_ms=START_MS - 1)))
        began_s = time.monotonic()
        page = await served.page(user_id, **LONG_PAGE)
        while page.started.catalog_number != number:
            assert time.monotonic() - began_s < 10
            page = await served.page(user_id, **LONG_PAGE)
    assert "new" in page.entity_ids
    assert (page.started.model_version, page.started.degraded_reason) == (versions["rival"], "")


async def test_no_page_mixes_arms_while_experiments_come_and_go(house: House) -> None:
    versions = with_rival(house)
    experiment = start(house)
    (user_id,) = users_of(experiment, "rival")
    seen: list[Page] = []

    async def ask(enough: asyncio.Event) -> None:
        while not enough.is_set():
            seen.append(await served.page(user_id, rows=7, entities_per_row=8))

    async with house.serve() as served:
        enough = asyncio.Event()
        asking = asyncio.create_task(ask(enough))
        await until_arm(served, user_id, "one/rival")
        Experiments(house.engine).stop("one")
        await until_arm(served, user_id, "champion")
        enough.set()
        await asking
    by_arm = {page.started.arm: page for page in seen}
    assert {arm: page.started.model_version for arm, page in by_arm.items()} == {
        "one/rival": versions["rival"],
        "champion": versions["champion"],
    }
    assert all(page.shape == by_arm[page.started.arm].shape for page in seen)


async def test_more_models_than_there_is_room_for_are_refused(house: House) -> None:
    versions = with_rival(house)
    shares = {f"a{number}": 0.1 for number in range(ARM_MODELS_MAX + 1)}
    for alias in shares:
        house.registry.point(alias, versions["rival"], by="test")
    users = users_of(start(house, **shares), *shares)
    async with house.serve() as served:
        told = [page.started.degraded_reason for page in await pages(served, users)]
    assert told == [""] * ARM_MODELS_MAX + [FELL_BACK]


async def test_an_arm_that_was_left_out_follows_as_soon_as_there_is_room(house: House) -> None:
    versions = with_rival(house)
    shares = {f"a{number}": 0.1 for number in range(ARM_MODELS_MAX)}
    for alias in (*shares, "next"):
        house.registry.point(alias, versions["rival"], by="test")
    older, newer = start(house, "older", **shares), start(house, "newer", champion=0.1, next=0.4)
    users = (f"user-{number}" for number in range(10_000))
    user_id = next(u for u in users if (older.draw(u), newer.draw(u)) == (None, "next"))
    async with house.serve() as served:
        page = await served.page(user_id)
        assert (page.started.arm, page.started.degraded_reason) == ("newer/next", FELL_BACK)
        Experiments(house.engine).stop("older")
        began_s = time.monotonic()
        while (page := await served.page(user_id)).started.model_version != versions["rival"]:
            assert time.monotonic() - began_s < 10
    assert (page.started.arm, page.started.degraded_reason) == ("newer/next", "")
