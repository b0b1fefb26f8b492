"""The events of the benchmark: sessions of many users, the same for the same seed.

A session is what people do with a homepage: they see rows, click, look at details, play and stop,
now and then rate or search. Users differ in how much they do, so some windows are full and most are
not.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pagecast.v1 import events_pb2

BATCH_EVENTS = 10_000
"""Events of a batch: ten for each of the thousand users, on average."""

START_MS = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp() * 1000)
"""A fixed Monday: event times, too, follow from the seed alone."""

BATCH_MS = 6 * 60 * 60 * 1000
"""Event time that a batch spans: a user returns about every evening."""

RETRIES = 0.005
"""Share of events that a producer sends twice."""

LATE = 0.01
"""Share of events that arrive out of order, by up to `LATE_MS_MAX`."""

LATE_MS_MAX = 20 * 60 * 1000

ACTIVITY_SIGMA = 1.5
"""Of the log-normal weights by which users come back: a few keep coming back."""

_DEVICES = ("tv", "tv", "tv", "mobile", "mobile", "web")
_PLACES = (("SE", "sv"), ("SE", "sv"), ("US", "en"), ("DE", "de"), ("BR", "pt-BR"))
_ROWS = ("top", "continue", "popular", "new", *(f"genre-{name}" for name in "abcdefghijkl"))


@dataclass(frozen=True, kw_only=True)
class EventsConfig:
    """Which events to make."""

    events: int
    """How many."""
    users: int = 1_000
    """Of how many users."""
    entities: int = 5_000
    """About how many entities."""
    seed: int = 1
    """The same seed makes the same events."""
    first_batch: int = 0
    """Number of the first batch; a higher one begins later in time."""

    def __post_init__(self) -> None:
        if min(self.events, self.users, self.entities) < 1:
            raise ValueError("events, users and entities must be positive")


def make_events(config: EventsConfig) -> Iterator[events_pb2.InteractionEvent]:
    """Events in the order in which they are sent."""
    weights = _activity(config)
    left, batch = config.events, config.first_batch
    while left:
        events = _batch(config, weights, batch)
        yield from events[:left]
        left -= min(left, len(events))
        batch += 1


def _activity(config: EventsConfig) -> list[float]:
    chance = random.Random(f"{config.seed}/users")
    return [chance.lognormvariate(0.0, ACTIVITY_SIGMA) for _ in range(config.users)]


def _batch(
    config: EventsConfig, weights: list[float], number: int
) -> list[events_pb2.InteractionEvent]:
    chance = random.Random(f"{config.seed}/{number}")
    visitors = list(range(config.users))
    made: list[tuple[int, events_pb2.InteractionEvent]] = []
    while len(made) < BATCH_EVENTS:
        # Everybody comes once, and some come back.
        user = visitors.pop() if visitors else chance.choices(range(config.users), weights)[0]
        begin_ms = START_MS + number * BATCH_MS + chance.randrange(BATCH_MS)
        session = _Session(chance, config, user, begin_ms)
        made += [(event.occurred_at.ToMilliseconds(), event) for event in session.events()]
    made += [(sent, event) for sent, event in made if chance.random() < RETRIES]
    made = [
        (sent + chance.randrange(LATE_MS_MAX) if chance.random() < LATE else sent, event)
        for sent, event in made
    ]
    made.sort(key=lambda pair: pair[0])
    return [event for _, event in made[:BATCH_EVENTS]]


class _Session:
    """One visit of one user."""

    def __init__(
        self, chance: random.Random, config: EventsConfig, user: int, begin_ms: int
    ) -> None:
        self._chance = chance
        self._entities = config.entities
        self._user_id = f"user-{user:06d}"
        self._now_ms = begin_ms
        country, language = _PLACES[user % len(_PLACES)]
        self._context = events_pb2.RequestContext(
            session_id=f"{chance.getrandbits(64):016x}",
            page_id=f"{chance.getrandbits(128):032x}",
            device=chance.choice(_DEVICES),
            country=country,
            language=language,
            surface="home",
        )
        self._context.login_at.FromMilliseconds(begin_ms)

    def events(self) -> list[events_pb2.InteractionEvent]:
        events: list[events_pb2.InteractionEvent] = []
        for _ in range(self._chance.randint(1, 3)):
            events.append(self._event(5, impression=self._impression()))
            events += self._interest()
        return events

    def _interest(self) -> list[events_pb2.InteractionEvent]:
        """What follows a look at some rows."""
        entity_id, draw = self._entity(), self._chance.random()
        at: dict[str, Any] = {"entity_id": entity_id, "placement": self._placement()}
        if draw < 0.20:
            return []
        if draw < 0.26:
            return [self._event(20, search=events_pb2.Search(query="a film", entity_id=entity_id))]
        if draw < 0.29:
            return [self._event(5, hide=events_pb2.Hide(**at))]
        if draw < 0.31:
            return [self._event(60, purchase=events_pb2.Purchase(**at))]
        events = [self._event(10, click=events_pb2.Click(**at))]
        if self._chance.random() < 0.35:
            events.append(self._event(8, view_details=events_pb2.ViewDetails(**at)))
        if self._chance.random() < 0.10:
            events.append(self._event(5, add_to_list=events_pb2.AddToList(**at)))
        if self._chance.random() < 0.75:
            events += self._watching(at)
        return events

    def _watching(self, at: dict[str, Any]) -> list[events_pb2.InteractionEvent]:
        events = []
        entity_id, position_s = str(at["entity_id"]), 0
        parts = self._chance.choice((1, 1, 1, 2, 3))
        for part in range(parts):
            play = events_pb2.Play(kind=events_pb2.PLAY_KIND_FEATURE, **at)
            events.append(self._event(10, play=play))
            watched_s = self._chance.randint(30, 2400)
            position_s += watched_s
            stop = events_pb2.Stop(
                entity_id=entity_id, completed=part == parts - 1 and self._chance.random() < 0.4
            )
            stop.watched.FromSeconds(watched_s)
            if not stop.completed:
                stop.resume_position.FromSeconds(position_s)
            events.append(self._event(watched_s, stop=stop))
        if self._chance.random() < 0.15:
            rating = self._chance.randint(2, 10) / 2
            rate = events_pb2.Rate(entity_id=entity_id, rating=rating)
            events.append(self._event(15, rate=rate))
        return events

    def _event(self, seconds: int, **action: Any) -> events_pb2.InteractionEvent:
        """An action that took about so long."""
        self._now_ms += int(seconds * 1000 * self._chance.uniform(0.5, 1.5))
        event = events_pb2.InteractionEvent(
            event_id=_event_id(self._now_ms, self._chance.getrandbits(74)),
            user_id=self._user_id,
            context=self._context,
            **action,
        )
        event.occurred_at.FromMilliseconds(self._now_ms)
        return event

    def _impression(self) -> events_pb2.Impression:
        rows = self._chance.sample(_ROWS, self._chance.randint(2, 4))
        return events_pb2.Impression(
            rows=[
                events_pb2.SeenRow(
                    row_id=row, row_position=i, entity_ids=[self._entity() for _ in range(5)]
                )
                for i, row in enumerate(rows)
            ]
        )

    def _placement(self) -> events_pb2.Placement:
        return events_pb2.Placement(
            row_id=self._chance.choice(_ROWS),
            row_position=self._chance.randrange(8),
            entity_position=self._chance.randrange(10),
        )

    def _entity(self) -> str:
        """Popular ones come up more often: half of all draws fall on an eighth of the entities."""
        return f"entity-{int(self._entities * self._chance.random() ** 3):05d}"


def _event_id(at_ms: int, bits: int) -> str:
    """A UUIDv7 of a time and 74 random bits."""
    low, high = bits & ((1 << 62) - 1), bits >> 62
    value = (at_ms << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
