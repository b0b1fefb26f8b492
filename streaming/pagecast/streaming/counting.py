"""Popularity counts of a batch, each record of the log counted once."""

from collections import defaultdict
from collections.abc import Sequence

from pagecast.featurestore.history import WATCHED_ACTIONS
from pagecast.featurestore.offline import LoggedEvent
from pagecast.featurestore.popularity import Popularity, decay
from pagecast.featurestore.positions import LogPosition
from pagecast.featurestore.tokens import action_of, entity_of, occurred_at_ms


class LogCounts:
    """Adds the counts of batches; knows per partition from which offset on records count."""

    def __init__(self, popularity: Popularity) -> None:
        self._popularity = popularity
        self._next_offsets: dict[tuple[str, int], int] = {}

    def forget(self) -> None:
        """Reads the positions again when they are needed: another worker may have moved them."""
        self._next_offsets.clear()

    def add(self, events: Sequence[LoggedEvent]) -> None:
        """Counts events that were applied now; those before the stored position count already."""
        partitions: dict[tuple[str, int], list[LoggedEvent]] = defaultdict(list)
        for event in events:
            partitions[event.topic_id, event.partition].append(event)
        for (topic_id, partition), rows in partitions.items():
            begin = self._next_offset(topic_id, partition)
            fresh = [row for row in rows if row.offset >= begin]
            if not fresh:
                continue
            times_ms = [occurred_at_ms(row.event) for row in fresh]
            at_ms = max(times_ms)
            counts: dict[str, float] = defaultdict(float)
            for row, occurred_ms in zip(fresh, times_ms, strict=True):
                if _counts(row):
                    counts[entity_of(row.event)] += decay(at_ms - occurred_ms)
            end = max(row.offset for row in fresh) + 1
            position = LogPosition(topic_id=topic_id, partition=partition, next_offset=end)
            self._popularity.add(position, counts, at_ms)
            self._next_offsets[topic_id, partition] = end

    def _next_offset(self, topic_id: str, partition: int) -> int:
        at = (topic_id, partition)
        if at not in self._next_offsets:
            self._next_offsets[at] = self._popularity.next_offset(topic_id, partition)
        return self._next_offsets[at]


def _counts(row: LoggedEvent) -> bool:
    """A play begun, a rating, a purchase count one each; the stop of a counted play does not."""
    return action_of(row.event) in WATCHED_ACTIONS and not row.event.HasField("stop")
