"""BrowseHomepage through a real channel: rows follow what the person sees and does."""

import asyncio

from engine.factories_engine import TinyModel
from factories import START_MS, play
from server.factories_browse import Browser, browsing, hide, layout, layout_of
from server.factories_server import LONG_PAGE, SLOW, House, eventually

from pagecast.server.browse.browsing import ROWS_AHEAD_DEFAULT
from pagecast.v1 import homepage_pb2, rules_pb2

FIVE_ROWS = {"rows": 5, "entities_per_row": 6}
QUIET_S = 0.2
"""In which a small model decodes many rows."""


async def assert_quiet(browser: Browser) -> None:
    """Nothing comes while the client says nothing."""
    reading = asyncio.ensure_future(browser.call.read())
    done, _ = await asyncio.wait([reading], timeout=QUIET_S)
    assert not done


async def scroll(browser: Browser, position: int) -> None:
    """With the last row the call is over."""
    if position < 4:
        await browser.see(position)


async def test_without_actions_it_is_the_page_of_one_call(house: House) -> None:
    house.train_champion()
    house.remember("ada", play("ada", "m3", START_MS - 60_000))
    async with house.serve() as served:
        whole = await served.page("ada", **FIVE_ROWS)
        async with browsing(served, rows_ahead=1, **FIVE_ROWS) as step_by_step:
            for position in range(5):
                await step_by_step.row(position)
                await eventually(lambda: served.metric("pagecast_slots_in_use") == 0)
                await scroll(step_by_step, position)
            await step_by_step.rest()
        async with browsing(served, **FIVE_ROWS) as at_once:
            await at_once.done()
            await at_once.rest()
    assert layout(step_by_step.rows) == layout(at_once.rows) == layout_of(whole)
    assert [part.rows_before for part in step_by_step.parts] == list(range(5))
    assert {part.page_id for part in step_by_step.parts} == {step_by_step.parts[0].page_id}
    numbers = [message.sequence for message in step_by_step.messages]
    assert numbers == list(range(len(numbers)))
    assert step_by_step.completed.finish_reason == homepage_pb2.FINISH_REASON_ROWS
    assert step_by_step.completed.time_to_page.ToNanoseconds() > 0


async def test_a_page_of_many_parts_is_measured_and_counted_once(house: House) -> None:
    rules = rules_pb2.RequestRules(entities=rules_pb2.CandidateEntities(entity_ids=["no-one"]))
    rules.entities.entity_ids.extend(f"m{i}" for i in range(60))
    async with house.serve() as served:
        async with browsing(served, rows_ahead=1, rules=rules, **FIVE_ROWS) as browser:
            for position in range(5):
                await browser.row(position)
                await scroll(browser, position)
            await browser.rest()
        assert len(browser.parts) == 5
        assert served.metric("pagecast_time_to_first_row_seconds_count") == 1
        assert served.metric("pagecast_time_to_page_seconds_count") == 0
        assert served.metric("pagecast_degraded_pages_total", reason="MODEL_NOT_LOADED") == 1
        assert served.metric("pagecast_unknown_candidates_total", what="entity") == 1


async def test_decoding_stays_a_few_rows_ahead_of_the_reader(house: House) -> None:
    house.train_champion()
    async with house.serve() as served, browsing(served, **FIVE_ROWS) as browser:
        await browser.row(ROWS_AHEAD_DEFAULT - 1)
        assert served.metric("pagecast_browses_open") == 1
        await eventually(lambda: served.metric("pagecast_slots_in_use") == 0)
        await assert_quiet(browser)


async def test_a_row_seen_lets_the_next_one_come(house: House) -> None:
    house.train_champion()
    async with house.serve() as served, browsing(served, rows_ahead=2, **FIVE_ROWS) as browser:
        await browser.row(1)
        await browser.see(1)
        await browser.row(3)
        await browser.see(0)  # is no step back
        await assert_quiet(browser)


async def test_the_next_row_reflects_what_was_done(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        whole = await served.page("ada", **FIVE_ROWS)
        coming = whole.rows[1].entities[0].entity_id
        async with browsing(served, rows_ahead=1, **FIVE_ROWS) as browser:
            await browser.row(0)
            await browser.act(hide("ada", coming), play("ada", "m3"))
            await browser.see(0)
            await browser.done()
            await browser.rest()
        assert served.metric("pagecast_action_to_row_seconds_count") == 1
    assert layout(browser.rows)[0] == layout_of(whole)[0]
    assert coming not in {e.entity_id for row in browser.rows for e in row.entities}
    assert [part.actions_reflected for part in browser.parts[:2]] == [0, 2]
    # They are in the prompt, and the history that is stored is not touched.
    assert browser.parts[1].newest_step_age.ToMilliseconds() < 60_000
    assert not browser.parts[1].HasField("history_version")
    assert house.store.read_history("ada") is None


async def test_nothing_repeats_whatever_is_done(house: House) -> None:
    house.train_champion()
    async with house.serve() as served, browsing(served, rows_ahead=2, **FIVE_ROWS) as browser:
        for position in range(3):  # two rows ahead of the third is the last: the call may be over
            row = await browser.row(position)
            first = row.entities[0].entity_id
            await browser.act(play("ada", first, START_MS + position))
            await browser.see(position)
        await browser.rest()
    entities = [entity.entity_id for row in browser.rows for entity in row.entities]
    assert len(set(entities)) == len(entities) > 0
    assert [row.row.row_position for row in browser.rows] == list(range(5))


async def test_an_action_in_the_middle_of_a_part_ends_it_behind_the_row_in_hand(
    house: House,
) -> None:
    house.train_champion(SLOW)
    async with house.serve() as served, browsing(served, rows_ahead=7, **LONG_PAGE) as browser:
        await browser.row(0)
        await browser.act(play("ada", "m3"))
        await browser.rest()
    first, second = browser.parts
    assert 1 <= second.rows_before < 4
    assert (first.actions_reflected, second.actions_reflected) == (0, 1)


async def test_without_kafka_actions_steer_the_page_and_are_said_not_to_be_kept(
    house: House,
) -> None:
    house.train_champion()
    async with house.serve() as served, browsing(served, rows_ahead=1, **FIVE_ROWS) as browser:
        await browser.row(0)
        await browser.act(play("ada", "m3"))
        taken = await browser.taken(1)
        await browser.see(0)
        await browser.row(1)
    assert taken.unpublished_reason == "EVENT_LOG_NOT_CONFIGURED"
    assert browser.parts[1].actions_reflected == 1


async def test_the_page_keeps_its_model_across_a_swap(house: House) -> None:
    version = house.train_champion()
    async with house.serve() as served:
        whole = await served.page("ada", **FIVE_ROWS)
        async with browsing(served, rows_ahead=1, **FIVE_ROWS) as browser:
            await browser.row(0)
            other = house.train_champion(TinyModel(seed=1))
            await eventually(lambda: served.metric("pagecast_model_info", version=other) == 1)
            await browser.done()
            await browser.rest()
    assert {part.model_version for part in browser.parts} == {version}
    assert layout(browser.rows) == layout_of(whole)


async def test_a_broken_stream_is_carried_on_by_either_rpc(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        whole = await served.page("ada", **FIVE_ROWS)
        async with browsing(served, rows_ahead=2, **FIVE_ROWS) as broken:
            token = (await broken.row(1)).continuation
        streamed = await served.page("ada", continuation=token)
        async with browsing(served, rows_ahead=1, continuation=token) as browser:
            await browser.row(2)
            await assert_quiet(browser)
        async with browsing(served, continuation=token) as again:
            await again.done()
            await again.rest()
    assert layout(broken.rows) + layout_of(streamed) == layout_of(whole)
    assert layout(again.rows) == layout_of(streamed)
    assert again.parts[0].rows_before == 2


async def test_a_page_by_popularity_is_browsed_too(house: House) -> None:
    house.count(m7=3, m8=2, m9=1)
    async with house.serve() as served:
        whole = await served.page("ada", **FIVE_ROWS)
        async with browsing(served, rows_ahead=1, **FIVE_ROWS) as browser:
            await browser.row(0)
            coming = whole.rows[1].entities[0].entity_id
            await browser.act(hide("ada", coming))
            await browser.done()
            await browser.rest()
    assert layout(browser.rows)[0] == layout_of(whole)[0]
    assert len(browser.rows) == 5
    assert coming not in {e.entity_id for row in browser.rows for e in row.entities}
    assert {part.degraded_reason for part in browser.parts} == {"MODEL_NOT_LOADED"}


async def test_entity_by_entity_a_row_is_finished_before_the_page_turns(house: House) -> None:
    house.train_champion()
    fields = {"granularity": homepage_pb2.GRANULARITY_ENTITIES, **FIVE_ROWS}
    async with house.serve() as served:
        whole = await served.page("ada", **FIVE_ROWS)
        async with browsing(served, rows_ahead=2, **fields) as browser:
            await browser.row(1)
            await browser.done()
            await browser.rest()
    assert layout(browser.rows) == layout_of(whole)
    begun = [m.row_started.row_position for m in browser.messages if m.HasField("row_started")]
    assert begun == list(range(5))
