"""Steps 3 to 6a of the life of an event: from valid events to histories in the online store."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import structlog

from pagecast.featurestore.catalog.popularity import Popularity
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.history.fold import FoldConfig, apply_token, begin
from pagecast.featurestore.history.history import History
from pagecast.featurestore.offline import LoggedEvent
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.streaming.counting import counted
from pagecast.streaming.erasing import is_forgotten, survivors
from pagecast.streaming.failpoint import reach
from pagecast.streaming.histories import HeldHistories
from pagecast.streaming.metrics import HISTORIES_REFUSED

REREADS_MAX = 3
"""A refused write is read and tried again. After a rebalance once is enough: the other worker has
stopped by then; if it happens more often, two workers believe that they own the partition."""

log = structlog.get_logger(__name__)

ByUser = dict[str, list[LoggedEvent]]


@dataclass(slots=True, kw_only=True)
class Written:
    """What became of a batch's events."""

    kept: list[LoggedEvent]
    """For the offline log: those that were applied now, and those that had been before, in the
    order they came in."""
    misplaced: list[LoggedEvent]
    """Of no effect: they are in another partition than the user's history, so their order is not
    known."""


class HistoriesContested(Exception):  # noqa: N818 - named by what is wrong, as the others are
    """The online store refused the same histories again and again."""


class InteractionWriter:
    """Folds events into histories and writes them. Everything it does may be repeated.

    Popularity is counted before the histories are written: whether an event is a producer's retry
    is known only while its history does not contain it yet.
    """

    def __init__(
        self,
        online: OnlineFeatures,
        popularity: Popularity,
        erasures: Erasures,
        fold: FoldConfig,
    ) -> None:
        self._online = online
        self._popularity = popularity
        self._erasures = erasures
        self._fold = fold
        self._held = HeldHistories()

    def forget(self) -> None:
        """Drops all that it holds: partitions came or went, or something failed."""
        self._held.drop_all()

    def forget_user(self, user_id: str) -> None:
        """Drops what it holds of a user who is being erased."""
        self._held.take(user_id)

    def write(self, events: Sequence[LoggedEvent]) -> Written:
        """Returns when the effect of the events is in the online store.

        The events of a user must be in the order of their offsets. Events from before an erasure of
        their user are neither applied nor kept. After an exception, call `forget` before trying
        again.
        """
        # 3. Group by user, and load in one read the histories that are not held.
        by_user: ByUser = defaultdict(list)
        for event in events:
            by_user[event.token.user_id].append(event)
        histories = self._load(by_user)
        misplaced = _take_misplaced(by_user, histories)
        # 4. and 5. Skip what a history contains; fold the rest.
        applied = self._apply(by_user, histories)
        self._popularity.add(counted(applied))
        reach("counted")
        # 6a. One conditional write for the batch.
        refused = self._online.write_histories(_touched(applied, histories))
        reach("online")
        if refused:
            self._rewrite(by_user, refused)
        self._held.hold(history for user_id, history in histories.items() if user_id not in refused)
        kept = list(chain.from_iterable(by_user.values()))
        if len(kept) == len(events):
            return Written(kept=list(events), misplaced=[])
        places = {(row.partition, row.offset) for row in kept}
        return Written(
            kept=[row for row in events if (row.partition, row.offset) in places],
            misplaced=misplaced,
        )

    def _load(self, by_user: ByUser) -> dict[str, History]:
        """A history to fold into for each user: held, stored, or begun anew.

        Takes the events that are older than an erasure out of `by_user`. A user whose history is
        held has none: an erasure would have dropped it.
        """
        held = {user_id: self._held.take(user_id) for user_id in by_user}
        missing = [user_id for user_id, history in held.items() if history is None]
        stored = self._read(by_user, missing) if missing else {}
        histories: dict[str, History] = {}
        for user_id, rows in by_user.items():
            history = held[user_id] or stored.get(user_id)
            topic_id, partition, *_ = rows[0]
            if history is None or history.topic_id != topic_id:
                history = History(user_id)
                begin(history, topic_id, partition)
            histories[user_id] = history
        return histories

    def _read(self, by_user: ByUser, user_ids: Sequence[str]) -> dict[str, History]:
        """Stored histories, less what is from before an erasure, here and in `by_user`."""
        floors = self._erasures.floors(user_ids)
        for user_id in floors:
            if rows := survivors(by_user.pop(user_id), floors):
                by_user[user_id] = rows
        stored = self._online.read_histories([u for u in user_ids if u in by_user])
        return {
            user_id: history
            for user_id, history in stored.items()
            if user_id not in floors or not is_forgotten(history, floors[user_id])
        }

    def _apply(self, by_user: ByUser, histories: Mapping[str, History]) -> list[LoggedEvent]:
        """Folds in place; returns the events that were not contained yet."""
        fold = self._fold
        applied: list[LoggedEvent] = []
        for user_id, rows in by_user.items():
            history = histories[user_id]
            applied += [
                row for row in rows if apply_token(history, row.token, row.offset, fold) is not None
            ]
        return applied

    def _rewrite(self, by_user: ByUser, refused: Sequence[str]) -> None:
        """Reads what another worker has written, folds what is missing, and writes that.

        Takes out of `by_user` what is older than an erasure that the other one carried out.
        """
        HISTORIES_REFUSED.inc(len(refused))
        log.warning("histories refused: another worker wrote newer ones", histories=len(refused))
        for _ in range(REREADS_MAX):
            again = {user_id: by_user.pop(user_id) for user_id in refused}
            histories = self._load(again)
            by_user.update(again)
            applied = self._apply(again, histories)
            refused = self._online.write_histories(_touched(applied, histories))
            if not refused:
                return
        raise HistoriesContested(
            f"{len(refused)} histories were refused {REREADS_MAX} times: see whether two "
            "consumer groups write to this store"
        )


def _touched(applied: Sequence[LoggedEvent], histories: Mapping[str, History]) -> list[History]:
    return [histories[user_id] for user_id in dict.fromkeys(row.token.user_id for row in applied)]


def _take_misplaced(by_user: ByUser, histories: Mapping[str, History]) -> list[LoggedEvent]:
    """Takes out, and returns, the events that are not in the partition of their user's history."""
    misplaced: list[LoggedEvent] = []
    for user_id, rows in by_user.items():
        partition = histories[user_id].partition
        if any(row.partition != partition for row in rows):
            misplaced += [row for row in rows if row.partition != partition]
            by_user[user_id] = [row for row in rows if row.partition == partition]
    return misplaced
