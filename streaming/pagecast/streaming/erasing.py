"""Forgetting a user: what an ingest worker does when it meets the order in the user's partition.

The tombstone comes first and the receipt last. A worker that is killed in between meets the order
again, because it is not committed, and repeats what may be repeated.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import structlog

from pagecast.featurestore.erasures import Erasure, Erasures, Floors
from pagecast.featurestore.history.history import History, HistoryVersion
from pagecast.featurestore.history.packing import peek_version, unpack_profile
from pagecast.featurestore.history.tokens import FORGET
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.streaming.failpoint import reach
from pagecast.v1 import events_pb2

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A `UserForgotten` event at its place in the log."""

    receipt_id: str
    user_id: str
    topic_id: str
    partition: int
    offset: int
    requested_at_ms: int

    @classmethod
    def of(cls, row: LoggedEvent) -> Self:
        return cls(
            receipt_id=row.token.event_id,
            user_id=row.token.user_id,
            topic_id=row.topic_id,
            partition=row.partition,
            offset=row.offset,
            requested_at_ms=row.token.at_ms,
        )


def survivors(rows: Iterable[LoggedEvent], floors: Mapping[str, Floors]) -> list[LoggedEvent]:
    """The rows that may be applied and logged: neither orders nor below their user's floor.

    `floors` is what `Erasures.floors` returned after the orders among the rows were carried out.
    """
    return [
        row for row in rows if not row.token.marks & FORGET and row.offset >= _floor(floors, row)
    ]


def is_forgotten(history: History, floors: Floors) -> bool:
    """Whether a stored history ends below its user's floor: a late writer brought it back.

    The order itself is no step, so a history that began after it has a greater version.
    """
    version = history.version
    if version is None:
        return False
    return version.next_offset <= floors.get((version.topic_id, version.partition), 0)


class Eraser:
    """Erases users from the online store and the offline log. Everything may be repeated."""

    def __init__(
        self,
        online: OnlineFeatures,
        offline: OfflineLog,
        erasures: Erasures,
        *,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._online = online
        self._offline = offline
        self._erasures = erasures
        self._clock_ms = clock_ms

    def erase(self, order: Order) -> Erasure:
        """Returns when nothing from before the order is in any store, and the receipt is written.

        Before you write again, drop what you hold of the user and what waits to be written
        (`survivors`). A complete order is carried out again on what is before its first place: a
        backup, or a late worker, may have brought that back. What came after it stays, and so does
        its first receipt.
        """
        erasure = self._erasures.begin(
            order.receipt_id,
            order.user_id,
            order.topic_id,
            order.partition,
            order.offset + 1,
            order.requested_at_ms,
        )
        reach("tombstone")
        # By version: a worker that slept here until another one had done it must not touch what
        # came after. What a late worker writes from here on is refused by the store.
        self._online.delete_histories({order.user_id: _version(erasure)})
        self._delete_profile(order)
        reach("erased online")
        rows = 0 if self._is_past(erasure) else self._erase_offline(order.user_id, erasure)
        reach("erased offline")
        self._erasures.complete(order.receipt_id, rows, self._clock_ms())
        if erasure.completed_at_ms is None or rows:
            log.info("user forgotten", receipt_id=order.receipt_id, rows_erased=rows)
        return self._erasures.receipt(order.receipt_id) or erasure

    def _is_past(self, erasure: Erasure) -> bool:
        """Whether the offline log has gone on beyond a complete order: then it is the one in which
        the order was carried out, not an older one from a backup. Looking through all of it for
        every past order would make a replay as slow as both are long."""
        if erasure.completed_at_ms is None:
            return False
        place = (erasure.topic_id, erasure.partition)
        return self._offline.next_offset(place) > erasure.next_offset

    def _erase_offline(self, user_id: str, erasure: Erasure) -> int:
        return self._offline.erase(
            user_id,
            erasure.topic_id,
            erasure.partition,
            erasure.next_offset,
            erasure.requested_at_ms,
        )

    def _delete_profile(self, order: Order) -> None:
        """A profile from after the order stays: profiles are another topic, read in no order with
        this one, and have their own null record."""
        _, packed = self._online.read_packed(order.user_id)
        if packed is None or unpack_profile(packed).occurred_at_ms > order.requested_at_ms:
            return
        self._online.write_profiles({order.user_id: (None, peek_version(packed))})

    def surviving_events(self, rows: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        """The events that may be logged: not from before an erasure of their user."""
        floors = self._erasures.floors({row.token.user_id for row in rows})
        return survivors(rows, floors) if floors else list(rows)

    def surviving_pages(self, pages: Sequence[LoggedPage]) -> list[LoggedPage]:
        """The served pages that may be logged: not made before an erasure of their user."""
        user_ids = {page.page.user_id for page in pages}
        floors = self._erasures.floors(user_ids)
        if not floors:
            return list(pages)
        since_ms = self._erasures.requested_at_ms(floors)
        return [
            page
            for page in pages
            if page.page.user_id not in floors
            or made_after(page.page, floors[page.page.user_id], since_ms[page.page.user_id])
        ]

    def sweep(self, user_ids: Collection[str], topic_id: str) -> int:
        """Erases again what this worker may have brought back; returns for how many users.

        Call it when a commit is refused (`Fenced`), with the users written since the last one:
        the partition belonged to another worker by then, which may have forgotten one of them
        between this one's look at the floors and its write.
        """
        found = self._erasures.floors(user_ids)
        since_ms = self._erasures.requested_at_ms(found)
        floors = {user_id: _of_log(topic_id, places) for user_id, places in found.items()}
        histories = self._online.read_histories(list(floors)) if floors else {}
        stale = {
            user_id: history.version
            for user_id, history in histories.items()
            if history.version is not None and is_forgotten(history, floors[user_id])
        }
        # Refused where the new owner has written a newer history in the meantime.
        self._online.delete_histories(stale)
        rows = sum(
            self._offline.erase(user_id, *place, next_offset, since_ms[user_id])
            for user_id, places in floors.items()
            for place, next_offset in places.items()
        )
        if stale or rows:
            log.warning("erased again after a late write", histories=len(stale), rows=rows)
        return len(stale)


def _floor(floors: Mapping[str, Floors], row: LoggedEvent) -> int:
    places = floors.get(row.token.user_id)
    return 0 if places is None else places.get((row.topic_id, row.partition), 0)


def made_after(page: events_pb2.PageServed, floors: Floors, since_ms: int) -> bool:
    """Whether a page was made after its user was forgotten, as `OfflineLog.erase` says it, too.

    A page built on a history of a floor's log is judged by its version; another one by its time,
    which is a server's, as the order's is.
    """
    version = page.history_version
    floor = floors.get((version.topic_id, version.partition))
    if page.HasField("history_version") and floor is not None:
        return version.next_offset > floor
    return page.requested_at.ToMilliseconds() > since_ms


def _of_log(topic_id: str, floors: Floors) -> Floors:
    """Floors of another log say nothing about what was written from this one."""
    return {place: floor for place, floor in floors.items() if place[0] == topic_id}


def _version(erasure: Erasure) -> HistoryVersion:
    return HistoryVersion(
        topic_id=erasure.topic_id, partition=erasure.partition, next_offset=erasure.next_offset
    )
