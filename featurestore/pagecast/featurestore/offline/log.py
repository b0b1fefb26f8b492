"""The offline log of a state directory: events and served pages."""

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pagecast.featurestore.history.tokens import Token
from pagecast.featurestore.offline.compaction import Compacted, compact
from pagecast.featurestore.offline.dataset import Dataset
from pagecast.featurestore.offline.embedding_log import EmbeddingLog
from pagecast.featurestore.offline.erasure import erase
from pagecast.featurestore.offline.event_columns import (
    EVENTS,
    TOKEN_COLUMNS,
    event_table,
    events_of,
    tokens_of,
)
from pagecast.featurestore.offline.ordering import codes
from pagecast.featurestore.offline.page_columns import PAGES, page_table, pages_of
from pagecast.featurestore.offline.rows import LoggedEvent, LoggedPage, NextOffsets
from pagecast.featurestore.offline.schema import KEY

ROWS_AT_ONCE = 50_000
"""Events that `by_user` makes tokens of at once, or one user's if those are more: some 50 MB."""


class UserLog(NamedTuple):
    """What a partition of the log holds of one user, ready to be folded."""

    topic_id: str
    user_id: str
    partition: int
    events: list[tuple[int, Token]]
    """(offset, token), in the order of their offsets."""


class OfflineLog:
    """The offline log below `root`. Each partition has one appender; any number may read."""

    def __init__(self, root: Path) -> None:
        self.events = Dataset(root / "interactions", EVENTS)
        self.pages = Dataset(root / "pages", PAGES)
        self.embeddings = EmbeddingLog(root / "embeddings")

    def append(self, rows: Sequence[LoggedEvent]) -> None:
        """Writes events; they are durable, and visible together, when it returns.

        Rows of a partition come in the order of their offsets from call to call. The same rows may
        be appended again. Raises OSError; none of the rows is visible then.
        """
        self.events.append(event_table(rows))

    def append_pages(self, rows: Sequence[LoggedPage]) -> None:
        """Writes served pages; the rest is as in `append`."""
        self.pages.append(page_table(rows))

    def read(
        self,
        *,
        until: NextOffsets | None = None,
        after: NextOffsets | None = None,
        user_ids: Sequence[str] | None = None,
    ) -> list[LoggedEvent]:
        """The events in order of (topic id, partition, offset), each key once.

        `until` is the log as of a position: offsets before it, and nothing of a partition it
        does not name. `after` leaves out the offsets before another position. `user_ids` None is
        all users.
        """
        names = EVENTS.columns.names
        return events_of(self.events.scan(names, until=until, after=after, where=_of(user_ids)))

    def read_pages(self) -> list[LoggedPage]:
        """All served pages."""
        return pages_of(self.pages.scan(["page"]))

    def scan(
        self,
        columns: Sequence[str] = TOKEN_COLUMNS,
        *,
        until: NextOffsets | None = None,
        after: NextOffsets | None = None,
    ) -> pa.Table:
        """The key and these columns of the events, in the order of `read`."""
        return self.events.scan(columns, until=until, after=after)

    def by_user(
        self, *, until: NextOffsets | None = None, user_ids: Sequence[str] | None = None
    ) -> Iterator[UserLog]:
        """Each user's events of each log, in order of (topic id, partition, user id).

        `user_ids` None is all users. A log that began again began every history again, so a user
        may come more than once.
        """
        table = self.events.scan(TOKEN_COLUMNS, until=until, where=_of(user_ids))
        if len(table):
            yield from _by_user(table)

    def positions(self) -> dict[tuple[str, int], int]:
        """The next offset of events per (topic id, partition): everything before it is here."""
        return self.events.known_positions()

    def next_offset(self, place: tuple[str, int]) -> int:
        """The same for one (topic id, partition), 0 if it has no events; looks at no parts."""
        return self.events.positions.read().get(place, 0)

    def page_positions(self) -> dict[tuple[str, int], int]:
        """The next offset of served pages per (topic id, partition)."""
        return self.pages.known_positions()

    def compact(self, day: str | None = None) -> Compacted:
        """Merges small parts of a day (`2026-01-05`) or of all days, in both datasets."""
        return compact(self.events, day).plus(compact(self.pages, day))

    def erase(
        self,
        user_id: str,
        topic_id: str,
        partition: int,
        before_offset: int,
        requested_at_ms: int,
    ) -> int:
        """Removes what is known of a user as of a position; returns how many rows that was.

        That is: events, except those of this partition at or after `before_offset`; and served
        pages, except those whose history had got further than that. A page that was made from no
        history of this partition stays if it was asked for after `requested_at_ms`. The user's
        published embeddings go, too, except those from a history that had got further; they are not
        counted. May be repeated; durable when it returns. Raises OSError, with some of the rows
        gone.
        """
        self.embeddings.erase(user_id, topic_id, partition, before_offset)
        mine = pc.field("user_id") == user_id
        after = (
            (pc.field("topic_id") == topic_id)
            & (pc.field("partition") == partition)
            & (pc.field("offset") >= before_offset)
        )
        of_here = (pc.field("history_topic_id") == topic_id) & (
            pc.field("history_partition") == partition
        )
        moment = pa.scalar(requested_at_ms, PAGES.columns.field("requested_at").type)
        made_after = (of_here & (pc.field("history_next_offset") > before_offset)) | (
            ~of_here & (pc.field("requested_at") > moment)
        )
        return erase(self.events, mine & ~after) + erase(self.pages, mine & ~made_after)


def _of(user_ids: Sequence[str] | None) -> ds.Expression | None:
    return None if user_ids is None else pc.field("user_id").isin(pa.array(user_ids, pa.string()))


def _by_user(table: pa.Table) -> Iterator[UserLog]:
    topic_N, user_N = codes(table["topic_id"]), codes(table["user_id"])
    partition_N = table["partition"].to_numpy()
    # Stable: the rows of a user stay in the order of the key.
    order_N = np.lexsort((user_N, partition_N, topic_N))
    owner = np.stack([topic_N, partition_N, user_N])[:, order_N]
    changes = (owner[:, 1:] != owner[:, :-1]).any(axis=0)
    starts = [0, *(np.flatnonzero(changes) + 1).tolist(), len(table)]
    begin = 0
    while begin < len(starts) - 1:
        end = max(begin + 1, bisect_right(starts, starts[begin] + ROWS_AT_ONCE) - 1)
        first = starts[begin]
        rows = table.take(pa.array(order_N[first : starts[end]]))
        topics, partitions, offsets = (rows[name].to_pylist() for name in KEY)
        events = list(zip(offsets, tokens_of(rows), strict=True))
        for start, stop in itertools.pairwise(starts[begin : end + 1]):
            mine = events[start - first : stop - first]
            at = start - first
            yield UserLog(topics[at], mine[0][1].user_id, partitions[at], mine)
        begin = end
