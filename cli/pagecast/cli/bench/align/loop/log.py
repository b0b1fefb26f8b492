"""What an arm was asked for, what it showed and what came of it: its offline log.

The platform writes it as a server and an ingest worker would; days are read as logged pages, by
the one join. A page that is already in the log is not made again: an interrupted run repeats its
days with the very pages they had, and members, who depend on nothing else, do the same again.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pagecast.cli.bench.align.platform import LOG
from pagecast.cli.exits import InputError
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome, logged_pages
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.server.page.basis import PageBasis
from pagecast.v1 import events_pb2

PAGES = "arena-pages"
"""The topic id of served pages."""

_EVENTS_AT, _PAGES_AT = (LOG, 0), (PAGES, 0)
"""Topic id and partition of either."""


@dataclass(frozen=True, kw_only=True)
class SeenPage:
    """A page of a day, the prompt it was made from, and what became of what was seen of it."""

    page: events_pb2.PageServed
    prompt: Prompt
    outcome: LoggedPageOutcome


class LoopLog:
    """The log of one arm. Days end with `close_day`; an unclosed day is not kept."""

    def __init__(self, folder: Path) -> None:
        self._log = OfflineLog(folder)
        self._made = {record.page.page_id: record.page for record in self._log.read_pages()}
        self._kept_events = self._log.positions().get(_EVENTS_AT, 0)
        self._kept_pages = self._log.page_positions().get(_PAGES_AT, 0)
        self._events: list[LoggedEvent] = []
        self._pages: list[LoggedPage] = []
        self._prompts: dict[str, Prompt] = {}
        self._next_page = 0
        self.events_of: dict[str, list[LoggedEvent]] = defaultdict(list)
        """By user, in the order of their offsets."""
        self.next_event = self.day_begins = 0
        """The offset of the next event, and of the first event after the day's first page."""

    def made(self, basis: PageBasis) -> list[events_pb2.ServedRow] | None:
        """The rows of a page that an earlier run made; None if it did not.

        Raises InputError if it was made from another prompt.
        """
        page = self._made.get(basis.page.page_id)
        if page is None:
            return None
        if page.prompt_sha256 != basis.prompt.sha256():
            raise InputError(
                f"--out: what is kept of page {page.page_id} is of another run",
                "give another file, or remove the folder beside it",
            )
        return list(page.rows)

    def add_page(self, basis: PageBasis, rows: Sequence[events_pb2.ServedRow]) -> None:
        if not self._pages:
            self.day_begins = self.next_event
        page = basis.served(rows)
        # A thousand ids a page, needed only to replay its rules, which nobody does here.
        page.rules_input.ClearField("popular_entity_ids")
        value = page.SerializeToString()
        self._pages.append(LoggedPage(*_PAGES_AT, self._next_page, page, value))
        self._prompts[page.page_id] = basis.prompt
        self._next_page += 1

    def add_events(self, events: Sequence[events_pb2.InteractionEvent]) -> None:
        for event in events:
            row = LoggedEvent(
                *_EVENTS_AT, self.next_event, token_of(event), event.SerializeToString()
            )
            self._events.append(row)
            self.events_of[event.user_id].append(row)
            self.next_event += 1

    def close_day(self) -> list[SeenPage]:
        """Keeps the day; returns its pages, in the order in which they were asked for."""
        if not self._pages:
            self.day_begins = self.next_event
        first_page = self._next_page - len(self._pages)
        if events := [row for row in self._events if row.offset >= self._kept_events]:
            self._log.append(events)
        if pages := [row for row in self._pages if row.offset >= self._kept_pages]:
            self._log.append_pages(pages)
        by_id = {row.page.page_id: row.page for row in self._pages}
        until = {_EVENTS_AT: self.next_event, _PAGES_AT: self._next_page}
        outcomes = logged_pages(self._log, until=until, after={_PAGES_AT: first_page})
        seen = [
            SeenPage(page=by_id[one.page_id], prompt=self._prompts[one.page_id], outcome=one)
            for one in outcomes
        ]
        self._events, self._pages, self._prompts = [], [], {}
        return seen
