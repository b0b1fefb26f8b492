"""Browses a homepage: `python docs/examples/browse.py USER`.

Every row is on the screen as soon as it comes, and the person hides the first film of the page. The
next row is made without it, and with that knowledge.
"""

import argparse
import queue
import sys
import time
import uuid
from collections.abc import Iterator

import grpc

from pagecast.v1 import events_pb2, homepage_pb2, homepage_pb2_grpc

BROWSE_TIME_MAX_S = 60.0
"""How long this person looks at a page. The last continuation carries on the rest of it."""

ROWS_AHEAD = 1
"""One row beyond those seen, so that the page reacts at once. A television would ask for three."""

Request = homepage_pb2.BrowseHomepageRequest


def new_event_id() -> str:
    """A UUIDv7, which an event keeps when it is sent again."""
    random = uuid.uuid4().int & ~(0xFFFF_FFFF_FFFF << 80) & ~(0xF << 76)
    return str(uuid.UUID(int=time.time_ns() // 1_000_000 << 80 | 7 << 76 | random))


class Browsing:
    """One call: what is sent goes through a queue, and what comes is shown."""

    def __init__(self, user_id: str) -> None:
        self._user_id = user_id
        self._page_id = ""
        self._said: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._unpublished: dict[str, events_pb2.InteractionEvent] = {}
        page = homepage_pb2.StreamHomepageRequest(user_id=user_id, rows=4)
        begin = homepage_pb2.BrowsePage(page=page, rows_ahead=ROWS_AHEAD)
        self._said.put(Request(begin=begin))

    def run(self, stub: homepage_pb2_grpc.HomepageServiceStub) -> None:
        """Raises grpc.RpcError: then carry the page on, and send unpublished events again."""
        try:
            for message in stub.BrowseHomepage(self._requests(), timeout=BROWSE_TIME_MAX_S):
                self._take(message)
        finally:
            self._said.put(None)

    def _requests(self) -> Iterator[Request]:
        while (request := self._said.get()) is not None:
            yield request

    def _take(self, message: homepage_pb2.BrowseHomepageResponse) -> None:
        match message.WhichOneof("event"):
            case "page_started":
                self._page_id = message.page_started.page_id
            case "row_completed":
                self._show(message.row_completed)
            case "actions_taken":
                # Otherwise: FeatureService.PublishEvents, with the same ids.
                if not message.actions_taken.unpublished_reason:
                    self._unpublished.clear()
            case "page_completed":
                print("complete")

    def _show(self, row: homepage_pb2.RowCompleted) -> None:
        titles = [entity.title for entity in row.entities]
        print(f"{row.row.row_position + 1}. {row.row.title}: {', '.join(titles)}")
        if row.row.row_position == 0:
            self._hide(row)
        seen = homepage_pb2.RowSeen(row_position=row.row.row_position)
        self._said.put(Request(row_seen=seen))

    def _hide(self, row: homepage_pb2.RowCompleted) -> None:
        print(f"   hides {row.entities[0].title}")
        event = events_pb2.InteractionEvent(
            event_id=new_event_id(),
            user_id=self._user_id,
            context=events_pb2.RequestContext(page_id=self._page_id, surface="home"),
            hide=events_pb2.Hide(entity_id=row.entities[0].entity_id),
        )
        event.occurred_at.GetCurrentTime()
        self._unpublished[event.event_id] = event
        self._said.put(Request(actions=homepage_pb2.BrowseActions(events=[event])))


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("user_id")
    arguments.add_argument("--target", default="127.0.0.1:50051", help="host:port of the server")
    told = arguments.parse_args()
    with grpc.insecure_channel(told.target) as channel:
        Browsing(told.user_id).run(homepage_pb2_grpc.HomepageServiceStub(channel))
    return 0


if __name__ == "__main__":
    sys.exit(main())
