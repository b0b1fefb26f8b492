"""A reader for `pagecast page --browse`: sees each row as it comes, and acts as it was told."""

import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pagecast.cli.client import Client
from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.output import Output
from pagecast.cli.pages import Page, gather
from pagecast.cli.pageview import PageView
from pagecast.eventlog.event_id import new_event_id
from pagecast.v1 import events_pb2, homepage_pb2

Request = homepage_pb2.BrowseHomepageRequest
Response = homepage_pb2.BrowseHomepageResponse


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What is to be done, and where; places count from 1."""

    action: str
    row: int
    position: int


def deeds_of(action: str, places: Sequence[str]) -> list[Deed]:
    """From `ROW:POSITION`. Raises InputError."""
    deeds = []
    for place in places:
        row, colon, position = place.partition(":")
        if not (colon and row.isdecimal() and position.isdecimal() and int(row) and int(position)):
            raise InputError(
                f"--{action} {place}: must be ROW:POSITION, both from 1",
                f"for example --{action} 1:2",
            )
        deeds.append(Deed(action=action, row=int(row), position=int(position)))
    return deeds


class Reader:
    """Iterate `requests` into the call, and `follow` what comes back."""

    def __init__(
        self, page: homepage_pb2.StreamHomepageRequest, deeds: Sequence[Deed], rows_ahead: int
    ) -> None:
        self._page = page
        self._deeds = deeds
        self._said: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._page_id = ""
        self._rows = 0
        self._done: list[dict[str, Any]] = []
        self._parts: list[dict[str, Any]] = []
        begin = homepage_pb2.BrowsePage(page=page, rows_ahead=rows_ahead)
        self._said.put(Request(begin=begin))

    def requests(self) -> Iterator[Request]:
        while (request := self._said.get()) is not None:
            yield request

    def end(self) -> None:
        """Sends nothing more."""
        self._said.put(None)

    def follow(self, piece: Response, output: Output) -> None:
        """Raises InputError for a place that does not exist."""
        match piece.WhichOneof("event"):
            case "page_started":
                self._take_part(piece.page_started)
            case "row_completed":
                self._read(piece.row_completed, output)
            case "actions_taken":
                for deed in self._done[: piece.actions_taken.actions]:
                    deed.setdefault("unpublished_reason", piece.actions_taken.unpublished_reason)
            case _:
                pass

    def refuse_undone(self) -> None:
        """Raises CommandError if something was to be done in a row that never came."""
        for deed in self._deeds:
            if deed.row > self._rows:
                raise CommandError(
                    f"--{deed.action} {deed.row}:{deed.position}: the page ended with row "
                    f"{self._rows}",
                    "name a row that comes, or ask for more --rows",
                )

    def to_dict(self) -> dict[str, Any]:
        return {"parts": self._parts, "actions": self._done}

    def _take_part(self, started: homepage_pb2.PageStarted) -> None:
        self._page_id = started.page_id
        self._parts.append(
            {
                "rows_before": started.rows_before,
                "actions_reflected": started.actions_reflected,
                "history_next_offset": started.history_version.next_offset,
                "degraded_reason": started.degraded_reason,
            }
        )

    def _read(self, row: homepage_pb2.RowCompleted, output: Output) -> None:
        """Sends what is done before saying that the row was seen: the next row reflects it."""
        events = []
        self._rows = row.row.row_position + 1
        for deed in self._deeds:
            if deed.row == self._rows:
                entity = _entity(row, deed)
                events.append(self._event(deed, row, entity.entity_id))
                output.say(
                    (f"   → {deed.action} ", "dim"), (entity.title or entity.entity_id, "bold")
                )
        if events:
            self._said.put(Request(actions=homepage_pb2.BrowseActions(events=events)))
        seen = homepage_pb2.RowSeen(row_position=row.row.row_position)
        self._said.put(Request(row_seen=seen))

    def _event(
        self, deed: Deed, row: homepage_pb2.RowCompleted, entity_id: str
    ) -> events_pb2.InteractionEvent:
        event = events_pb2.InteractionEvent(
            event_id=new_event_id(), user_id=self._page.user_id, context=self._page.context
        )
        event.occurred_at.GetCurrentTime()
        event.context.page_id = self._page_id
        event.context.surface = event.context.surface or "home"
        action = getattr(event, deed.action)
        action.entity_id = entity_id
        action.placement.row_id = row.row.row_id
        action.placement.row_position = row.row.row_position
        action.placement.entity_position = deed.position - 1
        if deed.action == "play":
            event.play.kind = events_pb2.PLAY_KIND_FEATURE
        self._done.append(
            {
                "event_id": event.event_id,
                "action": deed.action,
                "entity_id": entity_id,
                "row_position": row.row.row_position,
            }
        )
        return event


def browsed(client: Client, reader: Reader, view: PageView, output: Output) -> Page:
    """The page, once it is complete, shown as it came. Raises CliError."""

    def take(piece: Response) -> None:
        view.show(piece)
        reader.follow(piece, output)

    try:
        return gather(client.browse_page(reader.requests()), take)
    finally:
        reader.end()


def _entity(row: homepage_pb2.RowCompleted, deed: Deed) -> homepage_pb2.EntityPlaced:
    if deed.position > len(row.entities):
        raise InputError(
            f"--{deed.action} {deed.row}:{deed.position}: the row has {len(row.entities)} entities",
            "choose one of them",
        )
    return row.entities[deed.position - 1]
