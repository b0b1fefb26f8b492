"""Steps 3 to 6a of the life of an event: from valid events to histories in the online store."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import structlog

from pagecast.featurestore.fold import apply_event
from pagecast.featurestore.history import History, HistoryVersion
from pagecast.featurestore.offline import LoggedEvent
from pagecast.featurestore.online import OnlineFeatures
from pagecast.featurestore.popularity import Popularity
from pagecast.streaming.counting import LogCounts
from pagecast.streaming.failpoint import reach
from pagecast.streaming.histories import HeldHistories
from pagecast.streaming.metrics import HISTORIES_REFUSED

REREADS_MAX = 3
"""A refused write is read and tried again. After a rebalance once is enough: the other worker has
stopped by then; if it happens more often, two workers believe that they own the partition."""

log = structlog.get_logger(__name__)


class HistoriesContested(Exception):  # noqa: N818 - named by what is wrong, as the others are
    """The online store refused the same histories again and again."""


class InteractionWriter:
    """Folds events into histories and writes them. Everything it does may be repeated.

    Popularity is counted before the histories are written: whether an event is a producer's retry
    is known only while its history does not contain it yet.
    """

    def __init__(self, online: OnlineFeatures, popularity: Popularity) -> None:
        self._online = online
        self._counts = LogCounts(popularity)
        self._held = HeldHistories()

    def forget(self) -> None:
        """Drops all that it holds: partitions came or went, or something failed."""
        self._held.drop_all()
        self._counts.forget()

    def write(self, events: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        """Returns when the effect of the events is in the online store: those of no effect.

        The events of a user must be in the order of their offsets. Those without effect are in
        another partition than the user's history, so their order is not known. After an
        exception, call `forget` before trying again.
        """
        # 3. Group by user, and load in one read the histories that are not held.
        by_user: dict[str, list[LoggedEvent]] = defaultdict(list)
        for event in events:
            by_user[event.event.user_id].append(event)
        histories = self._load(by_user)
        misplaced = _take_misplaced(histories, by_user)
        # 4. and 5. Skip what a history contains; tokenise and merge the rest.
        applied = _apply(histories, by_user)
        self._counts.add(applied)
        reach("counted")
        # 6a. One conditional write for the batch.
        touched = {row.event.user_id for row in applied}
        refused = self._online.write_histories([histories[user_id] for user_id in touched])
        reach("online")
        if refused:
            self._rewrite({user_id: by_user[user_id] for user_id in refused})
        self._held.hold(history for user_id, history in histories.items() if user_id not in refused)
        return misplaced

    def _load(self, by_user: Mapping[str, Sequence[LoggedEvent]]) -> dict[str, History]:
        """A history to fold into for each user: held, stored, or begun anew."""
        held = {user_id: self._held.take(user_id) for user_id in by_user}
        missing = [user_id for user_id, history in held.items() if history is None]
        stored = self._online.read_histories(missing) if missing else {}
        histories: dict[str, History] = {}
        for user_id, rows in by_user.items():
            history = held[user_id] or stored.get(user_id)
            if history is None or _of_another_log(history, rows[0].topic_id):
                history = History(user_id=user_id)
            histories[user_id] = history
        return histories

    def _rewrite(self, by_user: Mapping[str, Sequence[LoggedEvent]]) -> None:
        """Reads what another worker has written, folds what is missing, and writes that."""
        self._counts.forget()
        HISTORIES_REFUSED.inc(len(by_user))
        log.warning("histories refused: another worker wrote newer ones", histories=len(by_user))
        for _ in range(REREADS_MAX):
            histories = self._load(by_user)
            applied = _apply(histories, by_user)
            touched = {row.event.user_id for row in applied}
            refused = self._online.write_histories([histories[user_id] for user_id in touched])
            if not refused:
                return
            by_user = {user_id: by_user[user_id] for user_id in refused}
        raise HistoriesContested(
            f"{len(by_user)} histories were refused {REREADS_MAX} times: see whether two "
            "consumer groups write to this store"
        )


def _apply(
    histories: Mapping[str, History], by_user: Mapping[str, Sequence[LoggedEvent]]
) -> list[LoggedEvent]:
    """Folds in place; returns the events that were not contained yet."""
    return [
        row
        for user_id, rows in by_user.items()
        for row in rows
        if apply_event(
            histories[user_id],
            row.event,
            HistoryVersion(
                topic_id=row.topic_id, partition=row.partition, next_offset=row.offset + 1
            ),
        )
    ]


def _of_another_log(history: History, topic_id: str) -> bool:
    return history.version is not None and history.version.topic_id != topic_id


def _take_misplaced(
    histories: Mapping[str, History], by_user: dict[str, list[LoggedEvent]]
) -> list[LoggedEvent]:
    """Takes out, and returns, the events that are not in the partition of their user's history."""
    misplaced: list[LoggedEvent] = []
    for user_id, rows in by_user.items():
        version = histories[user_id].version
        partition = rows[0].partition if version is None else version.partition
        if any(row.partition != partition for row in rows):
            misplaced += [row for row in rows if row.partition != partition]
            by_user[user_id] = [row for row in rows if row.partition == partition]
    return misplaced
