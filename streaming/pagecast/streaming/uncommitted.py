"""Steps 6b and 7 of the life of an event: the offline log, and then the commit."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TypeVar

from pagecast.eventlog.consumer import EventConsumer
from pagecast.eventlog.record import Record
from pagecast.featurestore.erasures import Floors
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.streaming.erasing import survivors
from pagecast.streaming.failpoint import reach

AnyRow = TypeVar("AnyRow", LoggedEvent, LoggedPage)

OFFLINE_ROWS_MAX = 10_000
"""Events that may wait for the offline log: above it, part files do not become cheaper. As many
more may be on their way into it."""

OFFLINE_BYTES_MAX = 32 * 1024 * 1024
"""The same in bytes of the records, for events that are unusually large."""


@dataclass(slots=True)
class _Portion:
    """What becomes durable together."""

    rows: list[LoggedEvent] = field(default_factory=list)
    pages: list[LoggedPage] = field(default_factory=list)
    users: set[bytes | None] = field(default_factory=set)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    record_bytes: int = 0
    since_s: float = 0.0

    def append(self, offline: OfflineLog) -> None:
        """6b. Appends the events to the offline log. May be repeated after an exception."""
        offline.append(self.rows)
        self.rows = []
        offline.append_pages(self.pages)
        self.pages = []
        reach("offline")

    def drop(self, user_id: str, floor: Floors) -> None:
        self.rows = survivors(self.rows, {user_id: floor})
        self.pages = [
            row for row in self.pages if row.page.user_id != user_id or _made_after(row, floor)
        ]


class Uncommitted:
    """What is done but not committed: events for the offline log, and offsets.

    They wait up to `flush_ms`, because the offline log is made of files. Losing them costs
    nothing: what is not committed is read again, and the histories contain it already. What has
    waited is appended in a thread, a portion at a time: files take long to be durable, and the
    next events must not wait for them to get into their histories.
    """

    def __init__(self, offline: OfflineLog, flush_ms: int) -> None:
        self._offline = offline
        self._flush_s = flush_ms / 1000
        self._logged: dict[tuple[str, int], int] = {}
        self._waiting = _Portion()
        self._sealed: _Portion | None = None
        self._appending: Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="offline-log")

    def begin_epoch(self, logged: Mapping[tuple[str, int], int]) -> None:
        """Forgets everything; `logged` is how far the offline log reaches. `settle` first."""
        self._logged = dict(logged)
        self._waiting, self._sealed, self._appending = _Portion(), None, None

    def add(
        self,
        records: Sequence[Record],
        events: Sequence[LoggedEvent],
        pages: Sequence[LoggedPage],
    ) -> None:
        """Takes the records of a batch, refused ones included, and what the offline log keeps."""
        waiting = self._waiting
        if not waiting.positions:
            waiting.since_s = time.monotonic()
        waiting.positions.update({(r.topic, r.partition): r.offset + 1 for r in records})
        waiting.record_bytes += sum(len(record.value or b"") for record in records)
        waiting.rows += self._not_logged(events)
        waiting.pages += self._not_logged(pages)

    def _not_logged(self, rows: Sequence[AnyRow]) -> Sequence[AnyRow]:
        """What a replay brings again is in the offline log already; new rows are not looked at."""
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
        self._waiting.users.update(keys)

    def drop(self, user_id: str, floor: Floors) -> None:
        """Forgets what waits of a user who is erased, by the rules of `OfflineLog.erase`.

        `settle` before erasing: what is being appended must be there to be erased.
        """
        for portion in self._portions():
            portion.drop(user_id, floor)

    @property
    def rows(self) -> Sequence[LoggedEvent]:
        """Events that wait to be appended to the offline log, of a partition in order."""
        return self._waiting.rows

    @property
    def users(self) -> Collection[str]:
        """Users whose histories or pages may have been written since the last commit."""
        keys = set[bytes | None]().union(*(portion.users for portion in self._portions()))
        return {key.decode(errors="replace") for key in keys if key}

    def is_due(self) -> bool:
        """Whether enough is waiting, or has waited long enough and nothing is being appended."""
        waiting = self._waiting
        return bool(waiting.positions) and (
            len(waiting.rows) + len(waiting.pages) >= OFFLINE_ROWS_MAX
            or waiting.record_bytes >= OFFLINE_BYTES_MAX
            or (not self.is_begun and time.monotonic() - waiting.since_s >= self._flush_s)
        )

    def begin_append(self) -> None:
        """6b begins, for all that waits: one portion at a time, so `commit` comes before."""
        assert self._sealed is None, "the portion before is not committed"
        self._sealed, self._waiting = self._waiting, _Portion()
        self._appending = self._thread.submit(self._sealed.append, self._offline)

    @property
    def is_begun(self) -> bool:
        """Whether `begin_append` took something that is not committed."""
        return self._sealed is not None

    @property
    def is_appended(self) -> bool:
        """Whether `commit` has something to do, and would not wait for it."""
        return self.is_begun and (self._appending is None or self._appending.done())

    def settle(self) -> None:
        """Waits until nothing is being appended, however that ends: `commit` tells."""
        if self._appending is not None:
            wait([self._appending])

    def commit(self, consumer: EventConsumer) -> None:
        """Makes durable what `begin_append` took. May be repeated after an exception."""
        sealed = self._sealed
        if sealed is None:
            return
        appending, self._appending = self._appending, None
        if appending is None:
            sealed.append(self._offline)  # what of it failed before
        else:
            appending.result()
        if sealed.positions:
            # 7. Only then commit the offsets.
            consumer.commit(sealed.positions)
            reach("committed")
        self._sealed = None

    def close(self) -> None:
        """Ends the thread, after what it is doing."""
        self._thread.shutdown()

    def _portions(self) -> list[_Portion]:
        return [self._waiting] if self._sealed is None else [self._sealed, self._waiting]


def _made_after(row: LoggedPage, floor: Floors) -> bool:
    """Whether a page was made from a history that begins after the floor."""
    version = row.page.history_version
    at = (version.topic_id, version.partition)
    return at in floor and version.next_offset > floor[at]
