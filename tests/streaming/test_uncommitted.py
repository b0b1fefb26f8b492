"""What is waiting for the offline log when an order to forget comes."""

from typing import Any

import pytest
from factories import START_MS, forget, play, timestamp
from streaming.factories_erasing import ORDER_OFFSET, order, plays, stores_of
from streaming.factories_erasing import page as logged_page
from streaming.factories_streaming import Positions, ingest
from streaming.factories_worlds import partition_of

from pagecast.eventlog.admin import topic_ids
from pagecast.eventlog.errors import Fenced
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import INTERACTIONS, PAGES
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.uncommitted import Uncommitted
from pagecast.v1 import events_pb2


def page_of_a_stranger(page_id: str, at_ms: int) -> events_pb2.PageServed:
    """A page for Ann, made while nothing was known of her."""
    return events_pb2.PageServed(page_id=page_id, user_id="ann", requested_at=timestamp(at_ms))


def page(bootstrap: str, page_id: str, next_offset: int) -> events_pb2.PageServed:
    """A page for Ann, made from her history up to an offset."""
    return events_pb2.PageServed(
        page_id=page_id,
        user_id="ann",
        requested_at=timestamp(START_MS),
        history_version=events_pb2.HistoryVersion(
            topic_id=topic_ids(bootstrap)[INTERACTIONS],
            partition=partition_of("ann"),
            next_offset=next_offset,
        ),
    )


def send_all(bootstrap: str) -> Positions:
    """An event at offset 0, the order at 1, an event at 2; pages made before and after it."""
    with EventProducer(bootstrap) as producer:
        for event in (play("ann", "heat"), forget("ann"), play("ann", "ran", START_MS + 1)):
            producer.send(INTERACTIONS, "ann", event)
        producer.send(PAGES, "ann", page(bootstrap, "before", 1))
        producer.send(PAGES, "ann", page(bootstrap, "after", 3))
        producer.send(PAGES, "ann", page_of_a_stranger("unknown-before", START_MS))
        producer.send(PAGES, "ann", page_of_a_stranger("unknown-after", START_MS + 1))
        producer.flush()
        return producer.acknowledged


def test_of_a_batch_with_an_order_only_what_is_after_it_is_logged(
    bootstrap: str, paths: StatePaths
) -> None:
    """Events and pages are of different topics: a poll may bring all of them at once."""
    ingest(bootstrap, paths, send_all(bootstrap), batch_records_max=1000)
    log = OfflineLog(paths.offline)
    assert [row.token.entity_id for row in log.read()] == ["ran"]
    assert [row.page.page_id for row in log.read_pages()] == ["after", "unknown-after"]


@pytest.mark.parametrize("flush_ms", [0, 1500])
def test_nor_does_it_depend_on_the_batches(
    bootstrap: str, paths: StatePaths, flush_ms: int
) -> None:
    """One record a batch, each committed by itself or all of them together."""
    positions = send_all(bootstrap)
    ingest(bootstrap, paths, positions, batch_records_max=1, offline_flush_ms=flush_ms)
    log = OfflineLog(paths.offline)
    assert [row.token.entity_id for row in log.read()] == ["ran"]
    assert [row.page.page_id for row in log.read_pages()] == ["after", "unknown-after"]


class Lost:
    """A consumer whose partitions are another worker's."""

    def commit(self, positions: Positions) -> None:
        raise Fenced("the partitions belong to another member")


def test_what_another_worker_has_erased_since_is_not_logged(paths: StatePaths) -> None:
    """Killed after the append, this one would not sweep, and the other looks no more."""
    with stores_of(paths) as stores:
        uncommitted = Uncommitted(stores.offline, stores.eraser, 0)
        events = [*plays("ada", 1, 3), *plays("bob", 2), *plays("ada", ORDER_OFFSET + 1)]
        pages = [logged_page("ada", 1), logged_page("bob", 2)]
        records = [
            Record(INTERACTIONS, row.topic_id, 0, row.offset, None, row.value, (), 0)
            for row in events
        ]
        uncommitted.add(records, events, pages)
        stores.eraser.erase(order())
        late: Any = Lost()
        with pytest.raises(Fenced):
            uncommitted.commit(late)
        assert stores.offline.read() == events[2:]
        assert [row.page.user_id for row in stores.offline.read_pages()] == ["bob"]
