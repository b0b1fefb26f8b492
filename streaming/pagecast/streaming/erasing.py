"""Forgetting a user: what an ingest worker does when it meets the order in the user's partition.

The tombstone comes first and the receipt last. Killed anywhere in between, the worker meets the
order again, because it is not committed, and does again what may be done again.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import structlog

from pagecast.featurestore.erasures import Erasure, Erasures
from pagecast.featurestore.history import History
from pagecast.featurestore.tokens import FORGET, Token
from pagecast.streaming.failpoint import reach

log = structlog.get_logger(__name__)


class Logged(Protocol):
    """An event and its place in the log, as `offline.LoggedEvent` has them."""

    @property
    def topic_id(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def token(self) -> Token: ...


class OnlineValues(Protocol):
    """What erasing needs of the online store."""

    def read_histories(self, user_ids: Sequence[str]) -> dict[str, History]: ...
    def erase(self, user_ids: Sequence[str]) -> object: ...


class OfflineRows(Protocol):
    """What erasing needs of the offline log."""

    def erase(self, user_id: str, topic_id: str, partition: int, before_offset: int) -> int: ...


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
    def of(cls, row: Logged) -> Self:
        return cls(
            receipt_id=row.token.event_id,
            user_id=row.token.user_id,
            topic_id=row.topic_id,
            partition=row.partition,
            offset=row.offset,
            requested_at_ms=row.token.at_ms,
        )


AnyLogged = TypeVar("AnyLogged", bound=Logged)


def orders(rows: Iterable[Logged]) -> list[Order]:
    """The orders among the rows, in their order."""
    return [Order.of(row) for row in rows if row.token.marks & FORGET]


def survivors(
    rows: Iterable[AnyLogged], floors: Mapping[str, Mapping[tuple[str, int], int]]
) -> list[AnyLogged]:
    """The rows that may be applied and logged: neither orders nor below their user's floor.

    `floors` is what `Erasures.floors` returned after the orders among the rows were carried out.
    """
    return [
        row
        for row in rows
        if not row.token.marks & FORGET
        and row.offset
        >= floors.get(row.token.user_id, _NOWHERE).get((row.topic_id, row.partition), 0)
    ]


_NOWHERE: Mapping[tuple[str, int], int] = {}


def is_forgotten(history: History, floors: Mapping[tuple[str, int], int]) -> bool:
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
        online: OnlineValues,
        offline: OfflineRows,
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

        Drop what you hold of the user, and what of it waits to be written (`survivors`), before
        you write again. An order that is complete has no second effect: not when it is replayed,
        nor when a producer's retry brought it to another offset.
        """
        erasure = self._erasures.begin(
            order.receipt_id,
            order.user_id,
            order.topic_id,
            order.partition,
            order.offset + 1,
            order.requested_at_ms,
        )
        if erasure.completed_at_ms is not None:
            return erasure
        reach("tombstone")
        self._online.erase([order.user_id])
        reach("online erased")
        rows = self._offline.erase(
            order.user_id, order.topic_id, order.partition, erasure.next_offset
        )
        reach("offline erased")
        self._erasures.complete(order.receipt_id, rows, self._clock_ms())
        log.info("user forgotten", receipt_id=order.receipt_id, rows_erased=rows)
        return self._erasures.receipt(order.receipt_id) or erasure

    def sweep(self, user_ids: Collection[str]) -> int:
        """Erases again what a late writer brought back; returns how many users that were.

        Call it with the users written since the last commit when a commit is refused (`Fenced`):
        the worker was not the owner of the partition any more when it wrote, and another one may
        have forgotten a user since.
        """
        floors = self._erasures.floors(user_ids)
        for user_id, places in floors.items():
            for (topic_id, partition), next_offset in places.items():
                self._offline.erase(user_id, topic_id, partition, next_offset)
        histories = self._online.read_histories(list(floors)) if floors else {}
        stale = [
            user_id
            for user_id, history in histories.items()
            if is_forgotten(history, floors[user_id])
        ]
        if stale:
            self._online.erase(stale)
            log.warning("forgotten users erased again: a late write", users=len(stale))
        return len(stale)
