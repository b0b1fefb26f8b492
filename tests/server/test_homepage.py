"""The life of a page through a real channel, in its numbered steps."""

import pytest
from factories import START_MS, movie, play, rate, timestamp, upsert
from grpc import StatusCode
from grpc.aio import AioRpcError
from server.factories_server import LONG_PAGE, House, details_of, ids

from pagecast.v1 import catalog_pb2, events_pb2, homepage_pb2

METHOD = "/pagecast.v1.HomepageService/StreamHomepage"


async def test_a_page_is_streamed_row_by_row(house: House) -> None:
    version = house.train_champion()
    house.remember("ada", play("ada", "m3", START_MS - 60_000))
    async with house.serve() as served:
        page = await served.page("ada", rows=4, entities_per_row=5)
    assert [m.sequence for m in page.messages] == list(range(6))
    assert page.started.page_id
    assert page.started.model_version == version
    assert page.started.degraded_reason == ""
    assert page.started.history_version.next_offset == 1
    assert page.started.newest_step_age.ToMilliseconds() == 60_000
    assert page.started.catalog_number == house.catalog.number()
    assert page.started.requested_at.ToMilliseconds() == START_MS
    assert [len(row.entities) for row in page.rows] == [5, 5, 5, 5]
    assert page.completed.finish_reason == homepage_pb2.FINISH_REASON_ROWS
    first_us = page.completed.time_to_first_row.ToMicroseconds()
    assert 0 < first_us <= page.completed.time_to_page.ToMicroseconds()
    assert page.completed.time_in_queue.ToMicroseconds() >= 0


async def test_a_page_is_streamed_entity_by_entity_if_asked(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        by_rows = await served.page("ada", rows=2, entities_per_row=3)
        page = await served.page(
            "ada",
            rows=2,
            entities_per_row=3,
            granularity=homepage_pb2.GRANULARITY_ENTITIES,
        )
    row = ["row_started", "entity_placed", "entity_placed", "entity_placed", "row_completed"]
    kinds = [message.WhichOneof("event") for message in page.messages]
    assert kinds == ["page_started", *row, *row, "page_completed"]
    assert [m.sequence for m in page.messages] == list(range(len(kinds)))
    placed = [m.entity_placed for m in page.messages if m.HasField("entity_placed")]
    assert placed == [entity for row in page.rows for entity in row.entities]
    assert page.shape == by_rows.shape


async def test_every_place_says_what_stands_there(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        page = await served.page("ada", rows=3, entities_per_row=4)
    for row_position, row in enumerate(page.rows):
        assert row.row.row_position == row_position
        assert row.row.title
        for entity_position, entity in enumerate(row.entities):
            assert (entity.row_position, entity.entity_position) == (row_position, entity_position)
            assert entity.title == f"Film {entity.entity_id}"
            assert entity.kind == catalog_pb2.ENTITY_KIND_MOVIE


async def test_step_1_a_missing_user_id_is_named(house: House) -> None:
    async with house.serve() as served:
        with pytest.raises(AioRpcError) as failed:
            await served.page("")
    assert failed.value.code() is StatusCode.INVALID_ARGUMENT
    bad = details_of(failed.value)["BadRequest"]
    assert [violation.field for violation in bad.field_violations] == ["user_id"]


async def test_step_1_what_is_no_message_is_refused(house: House) -> None:
    async with house.serve() as served:
        with pytest.raises(AioRpcError) as failed:
            await served.channel.unary_stream(METHOD, None, None)(b"\x0a\xff").read()
        assert failed.value.code() is StatusCode.INVALID_ARGUMENT
        with pytest.raises(AioRpcError) as failed:
            await served.channel.unary_stream(METHOD, None, None)(bytes(300_000)).read()
        assert failed.value.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_step_1_the_clock_is_the_server_s(house: House) -> None:
    async with house.serve(allow_client_clock=False) as served:
        with pytest.raises(AioRpcError) as failed:
            await served.page("ada")
        assert (await served.page("ada", requested_at=None)).completed.finish_reason
    assert failed.value.code() is StatusCode.INVALID_ARGUMENT
    bad = details_of(failed.value)["BadRequest"]
    assert [violation.field for violation in bad.field_violations] == ["requested_at"]


async def test_step_2_without_a_catalog_there_is_no_page(empty_house: House) -> None:
    async with empty_house.serve() as served:
        with pytest.raises(AioRpcError) as failed:
            await served.page("ada")
    assert failed.value.code() is StatusCode.UNAVAILABLE
    assert details_of(failed.value)["ErrorInfo"].reason == "CATALOG_EMPTY"


async def test_step_3_a_stranger_gets_a_page(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        page = await served.page("nobody")
    assert page.started.degraded_reason == ""
    assert not page.started.HasField("history_version")
    assert not page.started.HasField("newest_step_age")
    assert page.rows


async def test_step_3_the_same_inputs_give_the_same_page_and_an_event_changes_it(
    house: House,
) -> None:
    house.train_champion()
    house.remember("ada", play("ada", "m3", START_MS - 60_000))
    async with house.serve() as served:
        page = await served.page("ada", seed=7)
        control = await served.page("ada", seed=7)
        house.remember("ada", play("ada", "m10", START_MS - 30_000))
        changed = await served.page("ada", seed=7)
    assert control.shape == page.shape
    assert control.started.page_id != page.started.page_id
    assert "m10" not in changed.entity_ids
    assert changed.started.history_version.next_offset == 2
    without_m10 = [e for row in page.shape.values() for e in row if e != "m10"]
    assert [e for row in changed.shape.values() for e in row][: len(without_m10)] != without_m10


async def test_step_4_what_was_watched_or_hidden_is_not_placed(one_row_house: House) -> None:
    one_row_house.train_champion()
    hide = events_pb2.Hide(entity_id="m4")
    hiding = play("ada", "m4", START_MS - 50_000)
    hiding.hide.CopyFrom(hide)
    one_row_house.remember("ada", play("ada", "m3", START_MS - 60_000), hiding)
    async with one_row_house.serve() as served:
        page = await served.page("ada", **LONG_PAGE)
        stranger = await served.page("nobody", **LONG_PAGE)
    assert not {"m3", "m4"} & page.entity_ids
    assert {"m3", "m4"} <= stranger.entity_ids
    placed = [entity for row in page.rows for entity in ids(row.entities)]
    assert len(placed) == len(set(placed))


async def test_step_4_because_rows_are_about_the_newest_film_the_user_liked(house: House) -> None:
    house.train_champion()
    house.remember(
        "ada",
        rate("ada", "m3", 5.0, START_MS - 60_000),
        rate("ada", "m7", 4.0, START_MS - 50_000),
        rate("ada", "m8", 1.0, START_MS - 40_000),
    )
    async with house.serve() as served:
        page = await served.page("ada", rows=7, entities_per_row=4)
    [because] = [row.row for row in page.rows if row.row.row_id == "because"]
    assert because.argument_entity_id == "m7"
    assert because.title == "Because you watched Film m7"


async def test_step_4_an_event_is_placed_while_its_window_is_open(one_row_house: House) -> None:
    match = movie("match", "Comedy")
    match.availability.add(until=timestamp(START_MS + 1000))
    one_row_house.change(upsert(match))
    one_row_house.train_champion()
    async with one_row_house.serve() as served:
        before = await served.page("ada", **LONG_PAGE)
        after = await served.page("ada", requested_at=timestamp(START_MS + 1000), **LONG_PAGE)
    assert "match" in before.entity_ids
    assert "match" not in after.entity_ids


async def test_step_6_a_page_with_nothing_to_place_is_complete(empty_house: House) -> None:
    elsewhere = movie("m0", "Comedy")
    elsewhere.availability.add(country="FR")
    top = catalog_pb2.Row(
        row_id="top", title="Top", predicate=catalog_pb2.Predicate(everything=True)
    )
    empty_house.change(upsert(elsewhere), upsert(top))
    async with empty_house.serve() as served:
        page = await served.page("ada", context=events_pb2.RequestContext(country="DE"))
    assert [m.WhichOneof("event") for m in page.messages] == ["page_started", "page_completed"]
    assert page.completed.finish_reason == homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE
    assert not page.completed.HasField("time_to_first_row")
