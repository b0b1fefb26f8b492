"""Many pages at once through a real channel: each is the page it would be alone."""

import asyncio

from factories import START_MS, play
from server.factories_server import FILMS, LONG_PAGE, House, Page, Served

MINUTE_MS = 60_000
USERS = 12


def remember_users(house: House) -> None:
    """Histories of 0, 9, 18... films: prompts of one and of several chunks."""
    for user in range(USERS):
        films = 9 * user
        events = (
            play(f"u{user}", f"m{(7 * user + i) % FILMS}", START_MS - (films - i) * MINUTE_MS)
            for i in range(films)
        )
        if films:
            house.remember(f"u{user}", *events)


async def pages_of(served: Served, **fields: object) -> list[Page]:
    """All users at once."""
    return await asyncio.gather(*(served.page(f"u{i}", **fields) for i in range(USERS)))


async def test_pages_at_once_are_the_pages_one_by_one(house: House) -> None:
    house.train_champion()
    remember_users(house)
    async with house.serve(slots_max=5) as served:
        alone = [await served.page(f"u{i}", **LONG_PAGE) for i in range(USERS)]
    async with house.serve(slots_max=5) as served:
        together = await pages_of(served, **LONG_PAGE)
    assert len({str(page.shape) for page in alone}) > 1
    assert [page.shape for page in together] == [page.shape for page in alone]


async def test_rows_and_entities_of_pages_beside_each_other_are_the_same(house: House) -> None:
    house.train_champion()
    remember_users(house)
    async with house.serve(slots_max=3) as served:
        by_rows, by_entities = await asyncio.gather(
            pages_of(served, rows=4), pages_of(served, rows=4, granularity=2)
        )
    assert [page.shape for page in by_rows] == [page.shape for page in by_entities]
    for page in by_entities:
        assert [message.sequence for message in page.messages] == list(range(len(page.messages)))


async def test_a_cancelled_page_changes_none_beside_it(house: House) -> None:
    house.train_champion()
    remember_users(house)
    async with house.serve(slots_max=4) as served:
        alone = await served.page("u3", **LONG_PAGE)
        cancelled = [served.stream(f"u{i}", **LONG_PAGE, granularity=2) for i in (5, 6, 7)]
        page = asyncio.create_task(served.page("u3", **LONG_PAGE))
        for call in cancelled:
            await call.read()
            call.cancel()
        assert (await page).shape == alone.shape
