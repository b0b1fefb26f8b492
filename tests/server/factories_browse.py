"""A client that browses a page."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from factories import START_MS, event_id, timestamp
from grpc.aio import EOF, StreamStreamCall
from server.factories_server import Page, Served, ids

from pagecast.v1 import events_pb2, homepage_pb2, homepage_pb2_grpc

Request = homepage_pb2.BrowseHomepageRequest
Response = homepage_pb2.BrowseHomepageResponse

WAIT_S = 10.0


def hide(user_id: str, entity_id: str, at_ms: int = START_MS) -> events_pb2.InteractionEvent:
    return events_pb2.InteractionEvent(
        event_id=event_id(at_ms, f"hide/{user_id}/{entity_id}"),
        user_id=user_id,
        occurred_at=timestamp(at_ms),
        context=events_pb2.RequestContext(session_id="s1", device="tv", surface="home"),
        hide=events_pb2.Hide(entity_id=entity_id),
    )


class Browser:
    """What a client of one call has sent and received."""

    def __init__(self, call: "StreamStreamCall[Request, Response]") -> None:
        self.call = call
        self.messages: list[Response] = []

    async def begin(self, user_id: str, rows_ahead: int = 0, **fields: object) -> None:
        fields = {"requested_at": timestamp(START_MS), **fields}
        page = homepage_pb2.StreamHomepageRequest(user_id=user_id, **fields)  # type: ignore[arg-type]
        begin = homepage_pb2.BrowsePage(page=page, rows_ahead=rows_ahead)
        await self.call.write(Request(begin=begin))

    async def see(self, row_position: int) -> None:
        seen = homepage_pb2.RowSeen(row_position=row_position)
        await self.call.write(Request(row_seen=seen))

    async def act(self, *events: events_pb2.InteractionEvent) -> None:
        await self.call.write(Request(actions=homepage_pb2.BrowseActions(events=events)))

    async def done(self) -> None:
        """Half-closes."""
        await self.call.done_writing()

    async def until(self, holds: Callable[[Response], bool]) -> Response:
        """Reads on to the first message of which it holds."""
        while (message := await self.call.read()) is not EOF:
            assert isinstance(message, Response)
            self.messages.append(message)
            if holds(message):
                return message
        raise AssertionError(f"the stream ended: {await self.call.code()}")

    async def row(self, position: int) -> homepage_pb2.RowCompleted:
        """Reads on to that row."""
        message = await self.until(
            lambda m: m.HasField("row_completed") and m.row_completed.row.row_position == position
        )
        return message.row_completed

    async def taken(self, actions: int) -> homepage_pb2.ActionsTaken:
        """Reads on until so many actions have been dealt with."""
        message = await self.until(
            lambda m: m.HasField("actions_taken") and m.actions_taken.actions >= actions
        )
        return message.actions_taken

    async def rest(self) -> None:
        """Reads on to the end. Raises AioRpcError."""
        while (message := await self.call.read()) is not EOF:
            assert isinstance(message, Response)
            self.messages.append(message)
        assert (await self.call.code()).name == "OK"

    @property
    def rows(self) -> list[homepage_pb2.RowCompleted]:
        return [m.row_completed for m in self.messages if m.HasField("row_completed")]

    @property
    def parts(self) -> list[homepage_pb2.PageStarted]:
        return [m.page_started for m in self.messages if m.HasField("page_started")]

    @property
    def completed(self) -> homepage_pb2.PageCompleted:
        return next(m.page_completed for m in self.messages if m.HasField("page_completed"))


@asynccontextmanager
async def browsing(
    served: Served,
    user_id: str = "ada",
    rows_ahead: int = 0,
    timeout_s: float = WAIT_S,
    client: str | None = None,
    **fields: object,
) -> AsyncIterator[Browser]:
    """A call that has begun; what is left of it is cancelled."""
    stub = homepage_pb2_grpc.HomepageServiceStub(served.channel)
    metadata = () if client is None else (("x-client-id", client),)
    browser = Browser(stub.BrowseHomepage(timeout=timeout_s, metadata=metadata))
    await browser.begin(user_id, rows_ahead, **fields)
    try:
        yield browser
    finally:
        browser.call.cancel()


def layout(rows: list[homepage_pb2.RowCompleted]) -> list[tuple[int, str, list[str]]]:
    return [(row.row.row_position, row.row.row_id, ids(row.entities)) for row in rows]


def layout_of(page: Page) -> list[tuple[int, str, list[str]]]:
    return layout(page.rows)
