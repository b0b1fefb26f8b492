"""What members did on which pages, and what that was worth: the truth of a simulation.

The simulator keeps its own offline log of what it was shown and what it sent, and reads it as
logged pages. So the reward is the platform's own, from the same join, but does not depend on
whether the platform's records are complete.
"""

from collections.abc import Iterator
from pathlib import Path

from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome, logged_pages
from pagecast.simulator.events import timestamp
from pagecast.simulator.page import ShownPage
from pagecast.simulator.session import SessionRecord
from pagecast.v1 import events_pb2

LOG = "simulator"
"""The topic id of a log of one partition."""

SESSIONS_TOGETHER = 500
"""Sessions written at once, as a part of the log; until then they are in memory."""


class Ledger:
    """Sessions, written below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._log = OfflineLog(folder)
        self._events: list[LoggedEvent] = []
        self._pages: list[LoggedPage] = []
        self._next_event = self._next_page = 0
        self._sessions = 0

    def add(self, record: SessionRecord) -> None:
        for event in record.events:
            value = event.SerializeToString()
            row = LoggedEvent(LOG, 0, self._next_event, token_of(event), value)
            self._events.append(row)
            self._next_event += 1
        for page in record.pages:
            served = _served(page)
            value = served.SerializeToString()
            self._pages.append(LoggedPage(LOG, 0, self._next_page, served, value))
            self._next_page += 1
        self._sessions += 1
        if self._sessions >= SESSIONS_TOGETHER:
            self._write()

    def pages(self) -> Iterator[LoggedPageOutcome]:
        """Every page with what became of the entities seen on it, in the order of requests."""
        self._write()
        return logged_pages(self._log)

    def _write(self) -> None:
        if self._events:
            self._log.append(self._events)
        if self._pages:
            self._log.append_pages(self._pages)
        self._events, self._pages, self._sessions = [], [], 0


def _served(page: ShownPage) -> events_pb2.PageServed:
    """The record of a page, as far as a client knows it."""
    return events_pb2.PageServed(
        page_id=page.page_id,
        user_id=page.user_id,
        requested_at=timestamp(page.requested_at_ms),
        model_version=page.model_version,
        arm=page.arm,
        degraded_reason=page.degraded_reason,
        rows=[
            events_pb2.ServedRow(
                row_id=row.row_id,
                argument_entity_id=row.argument_entity_id,
                entity_ids=row.entity_ids,
                entity_log_probabilities=[0.0] * len(row.entity_ids),
            )
            for row in page.rows
        ],
    )
