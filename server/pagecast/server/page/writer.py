"""Step 7 of the life of a page: what was chosen becomes the messages of the stream."""

import time
from collections.abc import Callable

from pagecast.engine.page_events import EntityChosen, PageEnded, PageEvent, RowBegun, RowEnded
from pagecast.rules.page_state import NO_ARGUMENT, RowEnd
from pagecast.server.metrics import Metrics
from pagecast.server.page.basis import PageBasis
from pagecast.v1 import continuation_pb2, events_pb2, homepage_pb2

Response = homepage_pb2.StreamHomepageResponse

ROW_FINISH_REASONS = {
    RowEnd.FULL: homepage_pb2.ROW_FINISH_REASON_FULL,
    RowEnd.CANDIDATES_RAN_OUT: homepage_pb2.ROW_FINISH_REASON_NOTHING_ELIGIBLE,
    RowEnd.CAPPED: homepage_pb2.ROW_FINISH_REASON_CAPPED,
}


class PageWriter:
    """Writes one page; `put` takes the messages.

    `PageStarted` leaves with the first row or entity, not before: until then the page has not
    `begun` and can still be made another way. `waited_ms` is the time spent waiting for a slot;
    `sign` makes a continuation of the page so far. A page of several parts is measured and counted
    with the one that `is_first`: the others are separated by its reader's pauses.
    """

    def __init__(
        self,
        basis: PageBasis,
        put: Callable[[Response], None],
        metrics: Metrics,
        waited_ms: float,
        sign: Callable[[continuation_pb2.Continuation], str],
        *,
        is_first: bool = True,
    ) -> None:
        self._basis = basis
        self._snapshot = basis.snapshot
        self._put = put
        self._metrics = metrics
        self._waited_ms = waited_ms
        self._is_first = is_first
        self._sequence = 0
        self._row = homepage_pb2.RowCompleted()
        self._served_row = events_pb2.ServedRow()
        self._sign = sign
        self._so_far = basis.so_far()
        self._begun_row: RowBegun
        self._chosen: list[EntityChosen] = []
        self._row_ended_s = time.monotonic()
        self._first_row_ms: float | None = None
        self._rows: list[events_pb2.ServedRow] = []
        self.ended = False

    @property
    def begun(self) -> bool:
        return self._sequence > 0

    @property
    def so_far(self) -> continuation_pb2.Continuation | None:
        """What carries the page on after its last row; None before one is complete."""
        return self._so_far.page if self._rows else None

    def served(self) -> events_pb2.PageServed:
        """The page as far as it was put."""
        served = self._basis.served(self._rows)
        if self._first_row_ms is not None:
            served.time_to_first_row.FromMicroseconds(round(self._first_row_ms * 1000))
        return served

    def write(self, event: PageEvent) -> None:
        """Raises what `put` raises."""
        match event:
            case RowBegun():
                self._begin_row(event)
            case EntityChosen():
                self._place(event)
            case RowEnded():
                self._end_row(event)
            case PageEnded():
                self._end_page(event)

    def _begin_row(self, event: RowBegun) -> None:
        self._begun_row, self._chosen = event, []
        row = self._snapshot.rows[event.row]
        argument_id, title = "", row.title
        if event.argument != NO_ARGUMENT:
            argument = self._snapshot.entities[event.argument]
            argument_id, title = argument.entity_id, title.replace("{entity}", argument.title)
        begun = homepage_pb2.RowStarted(
            row_id=row.row_id,
            title=title,
            row_position=event.row_position,
            argument_entity_id=argument_id,
        )
        self._row = homepage_pb2.RowCompleted(row=begun)
        self._served_row = events_pb2.ServedRow(
            row_id=row.row_id,
            argument_entity_id=argument_id,
            log_probability=event.log_probability,
        )
        if self._basis.page.entity_by_entity:
            self._send(Response(row_started=begun))

    def _place(self, event: EntityChosen) -> None:
        self._chosen.append(event)
        entity = self._snapshot.entities[event.entity]
        placed = self._row.entities.add(
            row_position=event.row_position,
            entity_position=event.entity_position,
            entity_id=entity.entity_id,
            title=entity.title,
            kind=entity.kind,
        )
        self._served_row.entity_ids.append(entity.entity_id)
        self._served_row.entity_log_probabilities.append(event.log_probability)
        if self._basis.page.entity_by_entity:
            self._send(Response(entity_placed=placed))

    def _end_row(self, event: RowEnded) -> None:
        now_s = time.monotonic()
        row_s, self._row_ended_s = now_s - self._row_ended_s, now_s
        self._metrics.entity_decode.observe(row_s / len(self._row.entities))
        if self._first_row_ms is None:
            self._first_row_ms = self._basis.page.clock.elapsed_ms()
            if self._is_first:
                self._metrics.time_to_first_row.observe(self._first_row_ms / 1000)
        self._rows.append(self._served_row)
        self._row.finish_reason = ROW_FINISH_REASONS[event.reason]
        if event.reason is not RowEnd.FULL:
            self._metrics.rows_cut_short.labels(reason=event.reason.value).inc()
        self._so_far.add(self._begun_row, self._chosen)
        self._row.continuation = self._sign(self._so_far.page)
        self._send(Response(row_completed=self._row))

    def _end_page(self, event: PageEnded) -> None:
        page_ms = self._basis.page.clock.elapsed_ms()
        if self._is_first:
            self._metrics.time_to_page.observe(page_ms / 1000)
        completed = homepage_pb2.PageCompleted(finish_reason=event.finish_reason)
        if event.finish_reason != homepage_pb2.FINISH_REASON_ROWS:
            reason = homepage_pb2.FinishReason.Name(event.finish_reason)
            reason = reason.removeprefix("FINISH_REASON_").lower()
            self._metrics.pages_cut_short.labels(reason=reason).inc()
        if self._first_row_ms is not None:
            completed.time_to_first_row.FromMicroseconds(round(self._first_row_ms * 1000))
        completed.time_to_page.FromMicroseconds(round(page_ms * 1000))
        completed.time_in_queue.FromMicroseconds(round(self._waited_ms * 1000))
        self._send(Response(page_completed=completed))
        self.ended = True

    def _send(self, response: Response) -> None:
        if not self.begun:
            self._put_next(Response(page_started=self._basis.started()))
            if self._is_first:
                self._count_what_is_missing()
        self._put_next(response)

    def _count_what_is_missing(self) -> None:
        for reason in self._basis.degraded:
            self._metrics.degraded_pages.labels(reason=reason).inc()
        unknown = self._basis.unknown
        self._metrics.unknown_candidates.labels(what="row").inc(unknown.rows)
        self._metrics.unknown_candidates.labels(what="entity").inc(unknown.entities)

    def _put_next(self, response: Response) -> None:
        response.sequence = self._sequence
        self._sequence += 1
        self._put(response)
