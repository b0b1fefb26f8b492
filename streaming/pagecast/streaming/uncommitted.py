"""Steps 6b and 7 of the life of an event: the offline log, and then the commit."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from pagecast.eventlog.consumer import EventConsumer
from pagecast.eventlog.record import Record
from pagecast.featurestore.erasures import Floors
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.streaming.erasing import Eraser, made_after, survivors
from pagecast.streaming.failpoint import reach

AnyRow = TypeVar("AnyRow", LoggedEvent, LoggedPage)

OFFLINE_ROWS_MAX = 10_000
"""Events that may wait for the offline log: above it, part files do not become cheaper."""

OFFLINE_BYTES_MAX = 32 * 1024 * 1024
"""The same in bytes of the records, for events that are unusually large."""


class Uncommitted:
    """What is done but not committed: events for the offline log, and offsets.

    They wait up to `flush_ms`, because the offline log is made of files. Losing them costs
    nothing: what is not committed is read again, and the histories contain it already.
    """

    def __init__(self, offline: OfflineLog, eraser: Eraser, flush_ms: int) -> None:
        self._offline = offline
        self._eraser = eraser
        self._flush_s = flush_ms / 1000
        self._logged: dict[tuple[str, int], int] = {}
        self._rows: list[LoggedEvent] = []
        self._pages: list[LoggedPage] = []
        self._users: set[bytes | None] = set()
        self._bytes = 0
        self._positions: dict[tuple[str, int], int] = {}
        self._since_s = 0.0

    def begin_epoch(self, logged: Mapping[tuple[str, int], int]) -> None:
        """Forgets what waits; `logged` is how far the offline log reaches."""
        self._logged = dict(logged)
        self._clear()

    def add(
        self,
        records: Sequence[Record],
        events: Sequence[LoggedEvent],
        pages: Sequence[LoggedPage],
    ) -> None:
        """Takes the records of a batch, refused ones included, and what the offline log keeps."""
        if not self._positions:
            self._since_s = time.monotonic()
        self._positions.update({(r.topic, r.partition): r.offset + 1 for r in records})
        self._bytes += sum(len(record.value or b"") for record in records)
        self._rows += self._not_logged(events)
        self._pages += self._not_logged(pages)

    def _not_logged(self, rows: Sequence[AnyRow]) -> Sequence[AnyRow]:
        """Leaves out rows that a replay brings again; new rows are not looked at."""
        logged = self._logged
        if not logged:
            return rows
        fresh = [row for row in rows if row.offset >= logged.get(row[:2], 0)]
        for at in {row[:2] for row in fresh}:
            # Partitions are read in order: what follows is new.
            logged.pop(at, None)
        return fresh

    def touch(self, keys: Iterable[bytes | None]) -> None:
        """Says whose data are about to be written, by the keys of their records."""
        self._users.update(keys)

    def drop(self, user_id: str, floor: Floors, since_ms: int) -> None:
        """Forgets what waits of a user who is erased, by the rules of `OfflineLog.erase`."""
        self._rows = survivors(self._rows, {user_id: floor})
        self._pages = [
            row
            for row in self._pages
            if row.page.user_id != user_id or made_after(row.page, floor, since_ms)
        ]

    @property
    def rows(self) -> Sequence[LoggedEvent]:
        """Events that wait for the offline log, in order within a partition."""
        return self._rows

    @property
    def users(self) -> Collection[str]:
        """Users whose histories or pages may have been written since the last commit."""
        return {key.decode(errors="replace") for key in self._users if key}

    def is_due(self) -> bool:
        """Whether enough is waiting, or has waited long enough."""
        return bool(self._positions) and (
            len(self._rows) + len(self._pages) >= OFFLINE_ROWS_MAX
            or self._bytes >= OFFLINE_BYTES_MAX
            or time.monotonic() - self._since_s >= self._flush_s
        )

    def commit(self, consumer: EventConsumer) -> None:
        """Makes all of it durable. May be repeated after an exception."""
        if not self._positions:
            return
        # 6b. Append the events to the offline log. If the partitions are another worker's by now,
        # it may have forgotten a user since, whose rows nobody would look for again.
        self._offline.append(self._eraser.surviving_events(self._rows))
        self._rows = []
        self._offline.append_pages(self._eraser.surviving_pages(self._pages))
        self._pages = []
        reach("offline")
        # 7. Only then commit the offsets.
        consumer.commit(self._positions)
        reach("committed")
        self._clear()

    def _clear(self) -> None:
        self._rows = []
        self._pages = []
        self._users = set()
        self._positions = {}
        self._bytes = 0
