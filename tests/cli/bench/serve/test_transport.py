"""The transport's two doors send the same page, and its rows say what a message costs."""

import grpc
import pytest
from server.factories_server import House

from pagecast.cli.bench.jobs.ready_pages import ReadyPages, basis_of, portions_of
from pagecast.cli.bench.serve.ready_stream import GRANULARITIES, OURS, Streamed, page_request
from pagecast.cli.bench.serve.transport import rows_of_transport
from pagecast.engine.page_events import EntityChosen, PageEnded, RowBegun, RowEnded
from pagecast.v1 import homepage_pb2

Response = homepage_pb2.StreamHomepageResponse


@pytest.fixture
def pages(house: House) -> ReadyPages:
    basis, events = basis_of(house.paths)
    return ReadyPages(basis, events, house.config())


@pytest.mark.parametrize("granularity", GRANULARITIES)
async def test_what_is_streamed_are_the_ready_messages(pages: ReadyPages, granularity: str) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([pages.handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    request = page_request(GRANULARITIES[granularity]).SerializeToString()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        streamed = [message async for message in channel.unary_stream(OURS, None, None)(request)]
    await server.stop(None)
    ready = pages.messages(whole_rows=granularity == "Rows")
    assert [kind(message) for message in streamed] == [kind(message) for message in ready]
    assert [rows_of(message) for message in streamed] == [rows_of(message) for message in ready]
    # What differs are the page's id and the times that were taken.
    assert sum(map(len, streamed)) == pytest.approx(sum(map(len, ready)), rel=0.02)


def kind(message: bytes) -> str | None:
    return Response.FromString(message).WhichOneof("event")


def rows_of(message: bytes) -> list[str]:
    return [entity.entity_id for entity in Response.FromString(message).row_completed.entities]


def test_a_page_is_handed_over_as_the_decode_loop_does_it(house: House) -> None:
    _, events = basis_of(house.paths)
    by_row, by_choice = (portions_of(events, whole_rows=whole) for whole in (True, False))
    for portions in (by_row, by_choice):
        assert [event for portion in portions for event in portion] == events
    assert all(isinstance(p[-1], RowEnded | PageEnded) for p in by_row)
    assert sum(isinstance(e, RowBegun) for e in events) == len(by_row) - 1
    chosen = sum(isinstance(event, EntityChosen) for event in events)
    assert len(by_choice) == chosen + len(by_row)


def streamed(cpu_seconds: float, messages: int = 1000) -> Streamed:
    return Streamed(messages=messages, bytes=600_000, cpu_seconds=cpu_seconds, seconds=0.5)


def test_a_message_costs_by_the_median_of_turns() -> None:
    pairs = [(streamed(0.06), streamed(0.05)), (streamed(0.9), streamed(0.3))]
    pairs.append((streamed(0.07), streamed(0.05)))
    cost, pace = rows_of_transport({"Rows": pairs})
    assert cost.what == "transport, rows, messages of 600 bytes: CPU us a message"
    assert (cost.ours, cost.theirs) == (pytest.approx(70), pytest.approx(50))
    assert (cost.ratio, cost.reached) == (pytest.approx(1.4), True)
    assert (pace.ours, pace.ratio, pace.reached) == (2000, 1.0, None)
