"""Steps 2 to 6a of the life of an event, for a batch of records of all topics."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Reason, Rejection
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PAGES, PROFILES
from pagecast.eventlog.validation import (
    catalog_change_of,
    interaction_of,
    page_served_of,
    profile_change_of,
)
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.history.tokens import FORGET, token_of
from pagecast.featurestore.offline import LoggedEvent, LoggedPage
from pagecast.streaming.changes import ChangeWriter
from pagecast.streaming.deadletter import send_dead_letters
from pagecast.streaming.erasing import Order, survivors
from pagecast.streaming.interactions import InteractionWriter
from pagecast.streaming.metrics import EVENT_TO_FEATURE_SECONDS, EVENTS_INGESTED
from pagecast.streaming.stores import Stores
from pagecast.streaming.uncommitted import Uncommitted

Parsed = TypeVar("Parsed")

Refused = list[tuple[Record, Rejection]]

TOPICS_INGESTED = (INTERACTIONS, CATALOG, PROFILES, PAGES)


class BatchWriter:
    """Writes batches to the stores; what must still be made durable waits in `uncommitted`."""

    def __init__(
        self, stores: Stores, producer: EventProducer, uncommitted: Uncommitted, fold: FoldConfig
    ) -> None:
        self._producer = producer
        self._uncommitted = uncommitted
        self._changes = ChangeWriter(stores.catalog, stores.online, stores.erasures)
        self._interactions = InteractionWriter(
            stores.online, stores.popularity, stores.erasures, fold
        )
        self._eraser = stores.eraser

    def abandon(self, topic_id: str) -> None:
        """What was written and not committed is another worker's business now."""
        self._interactions.forget()
        # That worker may have forgotten a user between this one's look and its write.
        if users := self._uncommitted.users:
            self._eraser.sweep(users, topic_id)

    def ingest(self, records: Sequence[Record]) -> None:
        """Returns when the effect of the batch is in the stores. It may be repeated."""
        by_topic: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            by_topic[record.topic].append(record)
        self._uncommitted.touch(
            record.key for topic in (INTERACTIONS, PAGES) for record in by_topic[topic]
        )
        refused: Refused = []
        try:
            self._changes.write_catalog(_valid(by_topic[CATALOG], catalog_change_of, refused))
            self._changes.write_profiles(_valid(by_topic[PROFILES], profile_change_of, refused))
            events = self._write_interactions(by_topic[INTERACTIONS], refused)
            pages = _pages(by_topic[PAGES], refused)
            # Last: while a store is away the batch is tried again and again.
            send_dead_letters(self._producer, refused)
        except BaseException:
            self._interactions.forget()
            raise
        self._uncommitted.add(records, events, pages)
        # 8. Measure.
        if by_topic[INTERACTIONS]:
            sent_ms = np.array([record.timestamp_ms for record in by_topic[INTERACTIONS]])
            EVENT_TO_FEATURE_SECONDS.observe(time.time() - sent_ms / 1000)
        for topic, of_topic in by_topic.items():
            EVENTS_INGESTED.labels(topic=topic).inc(len(of_topic))

    def _write_interactions(self, records: Sequence[Record], refused: Refused) -> list[LoggedEvent]:
        """Steps 2 to 6a; returns the events for the offline log.

        An order to forget splits the batch: what is before it is written, then erased, and only
        then comes what is after it.
        """
        valid = _valid(records, interaction_of, refused)
        events = [
            LoggedEvent(
                record.topic_id,
                record.partition,
                record.offset,
                token_of(event),
                record.value or b"",
            )
            for record, event in valid
        ]
        kept: list[LoggedEvent] = []
        misplaced: list[LoggedEvent] = []
        begin = 0
        orders = [at for at, event in enumerate(events) if event.token.marks & FORGET]
        for at in (*orders, len(events)):
            if begin < at:
                written = self._interactions.write(events[begin:at])
                kept += written.kept
                misplaced += written.misplaced
            if at < len(events):
                kept = self._erase(events[at], kept)
            begin = at + 1
        places = {(event.partition, event.offset) for event in misplaced}
        refused += [(r, _MISPLACED) for r, _ in valid if (r.partition, r.offset) in places]
        return kept

    def _erase(self, event: LoggedEvent, kept: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        """Erases a user everywhere; returns what of the batch so far is still to be kept."""
        order = Order.of(event)
        self._interactions.forget_user(order.user_id)
        erasure = self._eraser.erase(order)
        # If an order came twice, the first one counts: what is between the two stays.
        floor = {(erasure.topic_id, erasure.partition): erasure.next_offset}
        self._uncommitted.drop(order.user_id, floor, erasure.requested_at_ms)
        return survivors(kept, {order.user_id: floor})


def _pages(records: Sequence[Record], refused: Refused) -> list[LoggedPage]:
    """Served pages for the offline log; those of erased users are left out on writing."""
    return [
        LoggedPage(record.topic_id, record.partition, record.offset, page, record.value or b"")
        for record, page in _valid(records, page_served_of, refused)
    ]


def _valid(
    records: Sequence[Record], parse: Callable[[Record], Parsed | Rejection], refused: Refused
) -> list[tuple[Record, Parsed]]:
    """Parses the records of a topic; adds those that are not valid to `refused`."""
    valid: list[tuple[Record, Parsed]] = []
    for record in records:
        parsed = parse(record)
        if isinstance(parsed, Rejection):
            refused.append((record, parsed))
        else:
            valid.append((record, parsed))
    return valid


_MISPLACED = Rejection(
    reason=Reason.WRONG_PARTITION,
    field="",
    detail="the user's events are in another partition: let every producer choose partitions by "
    "the same hash of the key (murmur2, as Kafka's own client does)",
)
