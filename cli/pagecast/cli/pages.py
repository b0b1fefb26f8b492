"""A page as a client gathers it from the stream, with the times it measured."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pagecast.cli.exits import CommandError
from pagecast.v1 import catalog_pb2, homepage_pb2

Piece = homepage_pb2.StreamHomepageResponse | homepage_pb2.BrowseHomepageResponse
"""A piece of a page, from either RPC."""

OnPiece = Callable[[homepage_pb2.StreamHomepageResponse], None]

AnyPiece = TypeVar("AnyPiece", bound=Piece)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEntity:
    entity_id: str
    title: str
    kind: int

    @property
    def kind_name(self) -> str:
        """Lower case, as predicates name it: "live_event"."""
        return catalog_pb2.EntityKind.Name(self.kind).removeprefix("ENTITY_KIND_").lower()  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    row_id: str
    title: str
    argument_entity_id: str
    entities: tuple[PageEntity, ...]


@dataclass(kw_only=True)
class Page:
    """What was streamed. Times in milliseconds from the request, by the client's clock."""

    started: homepage_pb2.PageStarted = field(default_factory=homepage_pb2.PageStarted)
    rows: list[PageRow] = field(default_factory=list)
    finish_reason: str = ""
    continuation: str = ""
    first_row_ms: float = 0.0
    page_ms: float = 0.0

    def layout(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Rows, arguments and entities, in order: what two pages are compared by."""
        return [
            (r.row_id, r.argument_entity_id, tuple(e.entity_id for e in r.entities))
            for r in self.rows
        ]

    def row_of(self, entity_id: str) -> PageRow | None:
        """The row where the entity stands."""
        for row in self.rows:
            if any(entity.entity_id == entity_id for entity in row.entities):
                return row
        return None

    def to_dict(self) -> dict[str, Any]:
        started = self.started
        return {
            "page_id": started.page_id,
            "model_version": started.model_version,
            "degraded_reason": started.degraded_reason,
            "catalog_number": started.catalog_number,
            "requested_at_ms": started.requested_at.ToMilliseconds(),
            "finish_reason": self.finish_reason,
            "rows_before": started.rows_before,
            "continuation": self.continuation,
            "time_to_first_row_ms": round(self.first_row_ms, 3),
            "time_to_page_ms": round(self.page_ms, 3),
            "rows": [
                {
                    "row_id": row.row_id,
                    "title": row.title,
                    "argument_entity_id": row.argument_entity_id,
                    "entities": [
                        {"entity_id": e.entity_id, "title": e.title, "kind": e.kind_name}
                        for e in row.entities
                    ],
                }
                for row in self.rows
            ],
        }


def gather(pieces: Iterable[AnyPiece], on_piece: Callable[[AnyPiece], None] | None = None) -> Page:
    """Reads a stream to its end. Raises CommandError if it ends without a completed page."""
    page, begin = Page(), time.perf_counter()
    for piece in pieces:
        elapsed_ms = (time.perf_counter() - begin) * 1000
        event = piece.WhichOneof("event")
        if event == "page_started":
            if not page.started.page_id:  # a browsed page starts anew with each part
                page.started = piece.page_started
        elif event == "row_completed":
            page.first_row_ms = page.first_row_ms or elapsed_ms
            page.rows.append(_row(piece.row_completed))
            page.continuation = piece.row_completed.continuation
        elif event == "page_completed":
            page.page_ms = elapsed_ms
            name = homepage_pb2.FinishReason.Name(piece.page_completed.finish_reason)
            page.finish_reason = name.removeprefix("FINISH_REASON_")
        if on_piece is not None:
            on_piece(piece)
    if not page.finish_reason:
        raise CommandError("the stream ended before the page was complete", "try again")
    return page


def _row(completed: homepage_pb2.RowCompleted) -> PageRow:
    return PageRow(
        row_id=completed.row.row_id,
        title=completed.row.title,
        argument_entity_id=completed.row.argument_entity_id,
        entities=tuple(
            PageEntity(entity_id=e.entity_id, title=e.title, kind=e.kind)
            for e in completed.entities
        ),
    )
