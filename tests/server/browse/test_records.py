"""A browsed page, with a broker: its actions are published, its records say what it was."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from eventlog.factories_eventlog import event_log, read_all
from factories import START_MS, free_port, play
from server.factories_browse import browsing, hide
from server.factories_server import House, Page, Served, eventually
from streaming.factories_streaming import ingesting

from pagecast.eventlog.topics import INTERACTIONS, PAGES
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.offline import OfflineLog
from pagecast.server.browse import acknowledging
from pagecast.server.experiments.replay import Replays
from pagecast.trainer.pages.served import served_prompts
from pagecast.v1 import events_pb2, homepage_pb2

FIVE_ROWS = {"rows": 5, "entities_per_row": 4}

FOLD = FoldConfig(steps_max=6, evicted_together=2)
"""Another than the default, and windows that are soon full."""


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    with event_log(tmp_path) as servers:
        yield servers


async def paused(served: Served) -> None:
    """The page has caught up with its reader."""
    await eventually(lambda: served.metric("pagecast_slots_in_use") == 0)


async def records(bootstrap: str, count: int) -> list[events_pb2.PageServed]:
    read = await asyncio.to_thread(read_all, bootstrap, PAGES, count)
    return [events_pb2.PageServed.FromString(record.value) for record in read]


async def reported(served: Served, count: int) -> None:
    sent = {"outcome": "sent"}
    await eventually(lambda: served.metric("pagecast_pages_reported_total", **sent) == count)


def shape(rows: "list[homepage_pb2.RowCompleted]") -> list[tuple[str, list[str]]]:
    return [(row.row.row_id, [e.entity_id for e in row.entities]) for row in rows]


def recorded(page: events_pb2.PageServed) -> list[tuple[str, list[str]]]:
    return [(row.row_id, list(row.entity_ids)) for row in page.rows]


async def test_from_a_click_to_the_history_and_back_to_the_page(
    house: House, bootstrap: str
) -> None:
    """Actions are laid over the history until it contains them; every prompt can be made again."""
    house.train_champion()
    clicks = [play("ada", f"m{i}", START_MS + i * 3_600_000) for i in range(9)]
    with ingesting(bootstrap, house.paths, fold=FOLD) as worker:
        async with (
            house.serve(bootstrap_servers=bootstrap, fold=FOLD) as served,
            browsing(served, rows_ahead=1, **FIVE_ROWS) as browser,
        ):
            await browser.row(0)
            await browser.act(*clicks[:7])
            taken = await browser.taken(7)
            await browser.see(0)
            await browser.row(1)
            await eventually(lambda: _next_offset(house) == 7)
            await browser.act(hide("ada", "m20"), clicks[7])
            await browser.see(1)
            await browser.row(2)
            await browser.done()
            await browser.rest()
        log = OfflineLog(house.paths.offline)
        await eventually(lambda: sum(len(page.rows) for page in _logged(log)) == 5, 30)
        await eventually(lambda: _next_offset(house) == 9)
        assert worker.error is None
    assert taken.unpublished_reason == ""
    published = await asyncio.to_thread(read_all, bootstrap, INTERACTIONS, 9)
    assert [record.value for record in published] == [
        event.SerializeToString() for event in (*clicks[:7], hide("ada", "m20"), clicks[7])
    ]
    pages = _logged(log)
    assert [[a.event_id for a in page.actions] for page in pages][:2] == [
        [],
        [click.event_id for click in clicks[:7]],
    ]
    # By now the history held the first seven. If the last two came into it before the client was
    # done, the rest of the page has a prompt of its own.
    assert len(pages) in (3, 4)
    assert all(page.history_version.next_offset >= 7 for page in pages[2:])
    assert all(len(page.actions) <= 2 for page in pages[2:])
    assert [row for page in pages for row in recorded(page)] == shape(browser.rows)
    for page, prompt in served_prompts(log, house.catalog, log.read_pages(), fold=FOLD):
        assert prompt.sha256() == page.page.prompt_sha256
    replays = Replays(log=log, catalog=house.catalog, bundles=house.paths.bundles, fold=FOLD)
    parts = replays.replay(browser.parts[0].page_id)
    assert [part.differing for part in parts] == [()] * len(pages)


def _logged(log: OfflineLog) -> list[events_pb2.PageServed]:
    """Parts of one page, in their order."""
    return sorted((page.page for page in log.read_pages()), key=lambda p: len(p.rows_before))


def _next_offset(house: House) -> int:
    history = house.store.read_history("ada")
    return 0 if history is None or history.version is None else history.version.next_offset


async def test_pauses_make_no_records_and_prompts_do(house: House, bootstrap: str) -> None:
    house.train_champion()
    house.remember("ada", play("ada", "m3", START_MS - 60_000))
    async with house.serve(bootstrap_servers=bootstrap) as served:
        whole = await served.page("ada", **FIVE_ROWS)
        async with browsing(served, rows_ahead=1, **FIVE_ROWS) as quiet:
            for position in range(5):
                await quiet.row(position)
                await paused(served)
                if position < 4:  # with the last row the call is over
                    await quiet.see(position)
            await quiet.rest()
        async with browsing(served, rows_ahead=2, **FIVE_ROWS) as left:
            await left.row(1)
            await paused(served)
            await left.act(hide("ada", "m5"))
            await left.see(0)
            await left.row(2)
        await reported(served, 4)
    in_one, of_pauses, *of_prompts = await records(bootstrap, 4)
    assert len(quiet.parts) == 5
    assert recorded(of_pauses) == recorded(in_one) == shape(Page(whole.messages).rows)
    assert (len(of_pauses.rows_before), of_pauses.rules_sha256) == (0, in_one.rules_sha256)
    assert [len(page.rows) for page in of_prompts] == [2, 1]
    assert [row for page in of_prompts for row in recorded(page)] == shape(left.rows)
    assert [len(page.actions) for page in of_prompts] == [0, 1]
    assert {page.page_id for page in of_prompts} == {left.parts[0].page_id}


async def test_a_broker_that_is_away_changes_no_page_and_is_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledging, "ACTION_ACKNOWLEDGED_SECONDS_MAX", 1.0)
    house.train_champion()
    away = f"127.0.0.1:{free_port()}"
    async with (
        house.serve(bootstrap_servers=away) as served,
        browsing(served, rows_ahead=1, **FIVE_ROWS) as browser,
    ):
        await browser.row(0)
        await browser.act(play("ada", "m3"))
        await browser.see(0)
        await browser.row(1)
        taken = [m.actions_taken for m in browser.messages if m.HasField("actions_taken")]
        taken = taken or [await browser.taken(1)]
    assert browser.parts[1].actions_reflected == 1
    assert taken[0].unpublished_reason == "EVENT_LOG_UNAVAILABLE"


async def test_what_a_client_did_before_it_left_is_published(house: House, bootstrap: str) -> None:
    house.train_champion()
    async with house.serve(bootstrap_servers=bootstrap) as served:
        async with browsing(served, rows_ahead=1) as browser:
            await browser.row(0)
            await browser.act(play("ada", "m3"))
            await browser.see(0)
            await browser.until(lambda m: m.page_started.actions_reflected == 1)
        acknowledged = {"outcome": "acknowledged"}
        await eventually(
            lambda: served.metric("pagecast_events_published_total", **acknowledged) == 1
        )
        await eventually(lambda: served.metric("pagecast_browses_open") == 0)


async def test_whoever_is_forgotten_meanwhile_has_done_nothing(
    house: House, bootstrap: str
) -> None:
    house.train_champion()
    async with house.serve(bootstrap_servers=bootstrap) as served:
        async with browsing(served, rows_ahead=1, **FIVE_ROWS) as browser:
            await browser.row(0)
            await browser.act(play("ada", "m3"))
            await browser.see(0)
            await browser.row(1)
            await reported(served, 1)
            Erasures(house.engine).begin("receipt", "ada", "topic", 0, 9, START_MS)
            await browser.see(1)
            await browser.row(2)
            await browser.done()
            await browser.rest()
        await served.page("bob", rows=1)
        await reported(served, 2)
    assert browser.parts[1].HasField("newest_step_age")
    assert not browser.parts[2].HasField("newest_step_age")
    # What was reported before stays; what was done is not said any more.
    pages = await records(bootstrap, 2)
    assert [(page.user_id, len(page.actions)) for page in pages] == [("ada", 0), ("bob", 0)]
