"""What a browsing client sends, held to its contract."""

from collections.abc import AsyncIterator, Sequence

import grpc

from pagecast.server.browse.browsing import ACTIONS_BYTES_MAX, ACTIONS_MAX, Browsing
from pagecast.server.events.publishing import rejection_of
from pagecast.server.rpc.errors import FieldViolation, Refusal, invalid_argument
from pagecast.v1 import events_pb2, homepage_pb2

Requests = AsyncIterator[homepage_pb2.BrowseHomepageRequest]

PAGE = "begin.page"
"""Path of what `StreamHomepage` takes."""


async def first_of(requests: Requests) -> homepage_pb2.BrowsePage:
    """What the call begins with. Raises Refusal (INVALID_ARGUMENT)."""
    async for request in requests:
        if request.HasField("begin"):
            return request.begin
        break
    raise _wrong("begin", "must be the first message: it says whose page is browsed")


def within_page(refusal: Refusal) -> Refusal:
    """A refusal of the page's request, with the fields named as in this RPC."""
    refusal.violations = [
        FieldViolation(path=f"{PAGE}.{v.path}", description=v.description)
        for v in refusal.violations
    ]
    return refusal


def check_seen(position: int, browsing: Browsing) -> None:
    """Raises Refusal (INVALID_ARGUMENT)."""
    if position >= browsing.rows_sent:
        told = f"row {position} was not sent: only the first {browsing.rows_sent} were"
        raise _wrong("row_seen.row_position", told)


def check_actions(events: Sequence[events_pb2.InteractionEvent], browsing: Browsing) -> None:
    """Raises Refusal: INVALID_ARGUMENT for the first that is wrong, RESOURCE_EXHAUSTED for too
    many; in both cases none of them has been taken."""
    for index, event in enumerate(events):
        path = f"actions.events[{index}]"
        if event.user_id != browsing.user_id:
            raise _wrong(f"{path}.user_id", "is another's: a call takes actions of its page's user")
        if (rejection := rejection_of(event)) is not None:
            path += f".{rejection.field}" if rejection.field else ""
            raise _wrong(path, rejection.detail)
    size = browsing.received_bytes + sum(event.ByteSize() for event in events)
    if browsing.received + len(events) > ACTIONS_MAX or size > ACTIONS_BYTES_MAX:
        raise Refusal(
            code=grpc.StatusCode.RESOURCE_EXHAUSTED,
            reason="TOO_MANY_ACTIONS",
            message=f"a call takes {ACTIONS_MAX} actions of {ACTIONS_BYTES_MAX} bytes together:"
            " carry the page on in another call, and send these there",
        )


def wrong_begin() -> Refusal:
    """A call is for one page only."""
    return _wrong("begin", "was said before: a call is of one page, begin another for another")


def _wrong(path: str, description: str) -> Refusal:
    return invalid_argument(FieldViolation(path=path, description=description))
