"""A few users who do everything that can be done, in an order that a seed decides."""

import os
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from factories import START_MS, event_id, movie, timestamp, upsert
from google.protobuf.message import Message
from kafka.partitioner.default import murmur2
from streaming.factories_streaming import Positions

from pagecast.eventlog.admin import topic_ids
from pagecast.eventlog.errors import BrokerUnavailable, PublishFailed
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PAGES, PROFILES, USER_PARTITIONS
from pagecast.v1 import catalog_pb2, events_pb2

HOUR_MS = 3_600_000
STEP_MS = 30_000
"""From one record to the next: a slice of a thousand is eight hours."""

BAD = b"bad record "
"""How values begin that are no message."""

SLICE = 50
"""Records that are sent before pages may say that a history contains them."""

ATTEMPTS_MAX = 5
"""Of a producer whose broker is away, each of half a minute."""

RETRIED = 20
"""A retry is of one of so many records before it."""


FIRST_ORDER = 100
"""Number of the record that is an order to forget in every world, whatever the seed."""


def seed_of_tests() -> int:
    """PAGECAST_TEST_SEED; messages of failures should name it."""
    return int(os.environ.get("PAGECAST_TEST_SEED", "1"))


def partition_of(user_id: str) -> int:
    """Where Kafka's own client puts the records of a key."""
    return int(murmur2(user_id.encode()) & 0x7FFFFFFF) % USER_PARTITIONS


class Outgoing(NamedTuple):
    """A record to be sent."""

    topic: str
    key: str
    value: bytes | None


class World:
    """Makes numbered records: `slice` after `slice`, the same for the same seed and positions.

    Beside events of every kind there are producers' retries, events that come late by minutes and
    by two days, served pages, profiles, catalog changes, orders to forget and bad records.
    """

    def __init__(self, seed: int, *, users: int = 12, forgetting: bool = True) -> None:
        self.users = [f"user-{i}" for i in range(users)]
        self.number = 0
        self._rng = random.Random(seed)
        self._forgetting = forgetting
        self._latest: deque[Outgoing] = deque(maxlen=RETRIED)
        self._pages = dict.fromkeys(self.users, "")

    def slice(
        self, count: int, topic_id: str, acknowledged: Mapping[tuple[str, int], int]
    ) -> list[Outgoing]:
        """So many records, and the tombstones that go with orders among them.

        `topic_id` is the interaction topic's, and the positions are what is in the log: pages say
        which history they were made from.
        """
        made: list[Outgoing] = []
        for _ in range(count):
            self.number += 1
            made += self._records(topic_id, acknowledged)
        return made

    def _records(
        self, topic_id: str, acknowledged: Mapping[tuple[str, int], int]
    ) -> list[Outgoing]:
        rng, user = self._rng, self._rng.choice(self.users)
        draw = rng.random()
        if self._forgetting and self.number == FIRST_ORDER:
            return self._order(user)
        if draw < 0.1 and self._latest:
            return [rng.choice(self._latest)]
        if draw < 0.11:
            return [Outgoing(INTERACTIONS, user, BAD + str(self.number).encode())]
        if draw < 0.14:
            return [self._profile(user)]
        if draw < 0.18:
            return [self._catalog()]
        if draw < 0.24:
            return [self._page(user, topic_id, acknowledged)]
        if draw < 0.252 and self._forgetting:
            return self._order(user)
        event = self._event(user)
        self._latest.append(Outgoing(INTERACTIONS, user, event.SerializeToString()))
        return [self._latest[-1]]

    @property
    def _now_ms(self) -> int:
        return START_MS + self.number * STEP_MS

    def _film(self) -> str:
        return f"film-{self._rng.randrange(25)}"

    def _event(self, user: str) -> events_pb2.InteractionEvent:
        rng = self._rng
        at_ms = self._now_ms - rng.choice((0, 0, 0, 5 * 60_000, 50 * HOUR_MS))
        event = events_pb2.InteractionEvent(
            event_id=event_id(at_ms, f"number {self.number}"),
            user_id=user,
            occurred_at=timestamp(at_ms),
            context=events_pb2.RequestContext(
                session_id=f"session-{self.number // 60}",
                page_id=self._pages[user],
                device=rng.choice(("tv", "mobile", "web")),
                country=rng.choice(("", "SE", "JP")),
                surface="home",
            ),
        )
        rng.choice(_ACTIONS)(event, rng, self._film())
        return event

    def _order(self, user: str) -> list[Outgoing]:
        """As ForgetUser gives it: the profile's record without a value, then the order."""
        order = events_pb2.InteractionEvent(
            event_id=event_id(self._now_ms, f"number {self.number}"),
            user_id=user,
            occurred_at=timestamp(self._now_ms),
            user_forgotten=events_pb2.UserForgotten(),
        )
        self._latest.append(Outgoing(INTERACTIONS, user, order.SerializeToString()))
        return [Outgoing(PROFILES, user, None), self._latest[-1]]

    def _profile(self, user: str) -> Outgoing:
        change = events_pb2.ProfileChange(
            user_id=user,
            occurred_at=timestamp(self._now_ms),
            language=self._rng.choice(("en", "sv", "ja")),
            maturity_limit=self._rng.randrange(21),
        )
        return _outgoing(PROFILES, user, change)

    def _catalog(self) -> Outgoing:
        film = self._film()
        if self._rng.random() < 0.3:
            change = catalog_pb2.CatalogChange(
                occurred_at=timestamp(self._now_ms), retire_entity_id=film
            )
        else:
            genre = self._rng.choice(("Crime", "Drama"))
            change = upsert(movie(film, genre, title=f"Title {self.number}"), self._now_ms)
        return _outgoing(CATALOG, film, change)

    def _page(
        self, user: str, topic_id: str, acknowledged: Mapping[tuple[str, int], int]
    ) -> Outgoing:
        partition = partition_of(user)
        self._pages[user] = f"page-{self.number}"
        page = events_pb2.PageServed(
            page_id=self._pages[user],
            user_id=user,
            requested_at=timestamp(self._now_ms),
            history_version=events_pb2.HistoryVersion(
                topic_id=topic_id,
                partition=partition,
                next_offset=acknowledged.get((INTERACTIONS, partition), 0),
            ),
        )
        page.rows.add(row_id="top", entity_ids=[self._film()], entity_log_probabilities=[-1.0])
        return _outgoing(PAGES, user, page)


class Feeding:
    """Sends a world's slices, one after the other; for one broker that keeps its log."""

    def __init__(self, bootstrap: str, world: World) -> None:
        self._world = world
        self._producer = EventProducer(bootstrap)
        self._topic_id = topic_ids(bootstrap)[INTERACTIONS]
        self._positions: Positions = {}
        self._sending = threading.Lock()

    @property
    def positions(self) -> Positions:
        """The offsets after what is acknowledged."""
        return dict(self._positions)

    def send(self, count: int) -> Positions:
        """Returns when so many more records are acknowledged. Safe for threads."""
        with self._sending:
            for begin in range(0, count, SLICE):
                self.send_records(self.make(min(SLICE, count - begin)))
            return self.positions

    def make(self, count: int) -> list[Outgoing]:
        """The world's next records."""
        return self._world.slice(count, self._topic_id, self._positions)

    def send_records(self, records: Sequence[Outgoing]) -> None:
        """Returns when they are acknowledged. Raises what `EventProducer` raises."""
        for record in records:
            self._producer.send_bytes(record.topic, record.key.encode(), record.value, {})
        self._producer.flush()
        # A producer that has failed begins to count anew.
        self._positions = {**self._positions, **self._producer.acknowledged}

    def send_until_acknowledged(self, records: Sequence[Outgoing]) -> int:
        """As a producer should: all again, with the same ids, until all are; returns how often."""
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                self.send_records(records)
            except (PublishFailed, BrokerUnavailable):
                continue
            return attempt
        raise AssertionError(f"not acknowledged in {ATTEMPTS_MAX} attempts")

    def close(self) -> None:
        self._producer.close()


@contextmanager
def feeding(
    bootstrap: str, world: World, *, count: int = 0, pause_s: float = 0.0
) -> Iterator[Feeding]:
    """Sends `count` records, and if there is a pause as many again after each, until the end."""
    fed, ended = Feeding(bootstrap, world), threading.Event()

    def go_on() -> None:
        while not ended.wait(pause_s):
            fed.send(count)

    thread = threading.Thread(target=go_on)
    try:
        if count:
            fed.send(count)
        if pause_s:
            thread.start()
        yield fed
    finally:
        ended.set()
        if pause_s:
            thread.join()
        fed.close()


Fill = Callable[[events_pb2.InteractionEvent, random.Random, str], None]


def _play(event: events_pb2.InteractionEvent, rng: random.Random, film: str) -> None:
    kinds = (events_pb2.PLAY_KIND_TRAILER, events_pb2.PLAY_KIND_FEATURE, events_pb2.PLAY_KIND_LIVE)
    event.play.entity_id, event.play.kind = film, rng.choice(kinds)
    event.play.placement.row_id = "top"


def _stop(event: events_pb2.InteractionEvent, rng: random.Random, film: str) -> None:
    event.stop.entity_id, event.stop.completed = film, rng.random() < 0.3
    event.stop.watched.FromMilliseconds(rng.randrange(3 * HOUR_MS))
    event.stop.resume_position.FromMilliseconds(rng.randrange(2 * HOUR_MS))


def _rate(event: events_pb2.InteractionEvent, rng: random.Random, film: str) -> None:
    event.rate.entity_id, event.rate.rating = film, rng.randrange(11) / 2


def _list(event: events_pb2.InteractionEvent, rng: random.Random, film: str) -> None:
    event.add_to_list.entity_id, event.add_to_list.removed = film, rng.random() < 0.4


def _search(event: events_pb2.InteractionEvent, rng: random.Random, film: str) -> None:
    event.search.query = "night"
    event.search.entity_id = rng.choice(("", film))


def _impression(event: events_pb2.InteractionEvent, rng: random.Random, film: str) -> None:
    others = [f"film-{rng.randrange(25)}" for _ in range(3)]
    event.impression.rows.add(row_id="top", entity_ids=[film, *others])


def _click(event: events_pb2.InteractionEvent, _: random.Random, film: str) -> None:
    event.click.entity_id = film


def _details(event: events_pb2.InteractionEvent, _: random.Random, film: str) -> None:
    event.view_details.entity_id = film


def _hide(event: events_pb2.InteractionEvent, _: random.Random, film: str) -> None:
    event.hide.entity_id = film


def _purchase(event: events_pb2.InteractionEvent, _: random.Random, film: str) -> None:
    event.purchase.entity_id = film


_ACTIONS: tuple[Fill, ...] = (
    *(_play, _play, _stop, _stop, _rate, _list, _hide),
    *(_click, _details, _search, _impression, _purchase),
)


def _outgoing(topic: str, key: str, message: Message) -> Outgoing:
    return Outgoing(topic, key, message.SerializeToString())
