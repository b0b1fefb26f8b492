"""How pages react to what a session did, after minutes, hours and days.

Each member has a twin: a user with the same events, except those of the member's last session. Both
ask for pages for the same moments with the same seeds, and what differs is the session's doing.
Nobody looks at these pages, and the twins are forgotten afterwards.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pagecast.eventlog.stable_id import event_id
from pagecast.simulator.config import AttentionConfig
from pagecast.simulator.events import Visit
from pagecast.simulator.interval import Estimate, mean_by_member
from pagecast.simulator.page import ShownPage
from pagecast.simulator.platform import Platform
from pagecast.simulator.progress import COMPARING, FORGETTING, StageTold
from pagecast.simulator.session import SessionRecord
from pagecast.simulator.world import World
from pagecast.v1 import events_pb2

MINUTE_MS = 60_000

AFTER_MINUTES = (5, 60, 6 * 60, 24 * 60, 2 * 24 * 60, 4 * 24 * 60, 7 * 24 * 60)
"""When pages are compared. GenPage saw the reaction fade within one or two days
(docs/papers.md 1.3)."""

AFTERWARDS_DAYS = 8
"""From the last day to the last page that is compared: a session may run into the next day. None of
it may lie in the future, which ingest refuses."""


FORGOTTEN_AT_ONCE = 4
"""Orders to forget that wait at once: each waits for ingest, and a server takes only so many."""


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """Of first screens, `after_minutes` after the session's end."""

    after_minutes: int
    members: int
    """Members whose page and twin's page are compared."""
    dropped: int
    """Members whose are not, because they were made by different arms or models, or one was
    degraded: what differs would be the makers' doing."""
    changed: Estimate
    """Share of the entities that the twin's screen does not show, without what was played."""
    genre_lift: Estimate
    """By how much the share of entities of the played genres is greater than on the twin's."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """What a member did before the last session, and in it."""

    last: SessionRecord
    earlier: Sequence[events_pb2.InteractionEvent]

    @property
    def twin_id(self) -> str:
        return f"{self.last.user_id}-twin"

    def visit(self, user_id: str) -> Visit:
        return Visit(user_id=user_id, session_id=f"{user_id}-later", device=self.last.device)


def twin_events(life: Life) -> list[events_pb2.InteractionEvent]:
    """The earlier events as another user's."""
    copies = []
    for event in life.earlier:
        copy = events_pb2.InteractionEvent()
        copy.CopyFrom(event)
        copy.user_id = life.twin_id
        # The page was shown to somebody else.
        copy.context.page_id = ""
        at_ms = event.occurred_at.ToMilliseconds()
        copy.event_id = event_id(at_ms, f"{life.twin_id}/{event.event_id}")
        copies.append(copy)
    return copies


def reactions(
    world: World, platform: Platform, lives: Sequence[Life], told: StageTold
) -> tuple[list[Reaction], int]:
    """Publishes the twins, compares pages, and orders to forget the twins.

    Also returns how many of these orders were not confirmed in time; they stand all the same.
    """
    if not lives:
        return [], 0
    for life in lives:
        platform.publish(life.twin_id, twin_events(life))
    measured = []
    for number, minutes in enumerate(AFTER_MINUTES):
        told(COMPARING, number / len(AFTER_MINUTES))
        measured.append(_after(world, platform, lives, minutes))
    unconfirmed = 0
    with ThreadPoolExecutor(FORGOTTEN_AT_ONCE) as orders:
        confirmed = orders.map(platform.forget, [life.twin_id for life in lives])
        for number, one in enumerate(confirmed):
            unconfirmed += not one
            told(FORGETTING, (number + 1) / len(lives))
    return measured, unconfirmed


def _after(world: World, platform: Platform, lives: Sequence[Life], minutes: int) -> Reaction:
    changed, lift = [], []
    attention = world.config.attention
    for seed, life in enumerate(lives):
        mine, twins = _pages(platform, life, minutes, seed)
        if mine.maker != twins.maker:
            continue
        played = life.last.played
        mine_seen, twins_seen = (first_screen(attention, page, played) for page in (mine, twins))
        changed.append(len(set(mine_seen) - set(twins_seen)) / max(1, len(mine_seen)))
        genres = genres_of(world, played)
        lift.append(genre_share(world, mine_seen, genres) - genre_share(world, twins_seen, genres))
    ones = [1.0] * len(changed)
    return Reaction(
        after_minutes=minutes,
        members=len(changed),
        dropped=len(lives) - len(changed),
        changed=mean_by_member(changed, ones),
        genre_lift=mean_by_member(lift, ones),
    )


def _pages(platform: Platform, life: Life, minutes: int, seed: int) -> tuple[ShownPage, ShownPage]:
    """The member's and the twin's, of one moment and seed."""
    at_ms = life.last.ended_ms + minutes * MINUTE_MS
    member, twin = life.visit(life.last.user_id), life.visit(life.twin_id)
    return platform.page(member, at_ms, seed), platform.page(twin, at_ms, seed)


def first_screen(
    attention: AttentionConfig, page: ShownPage, without: Iterable[str] = ()
) -> list[str]:
    """Entities of a page's first screen."""
    screen = page.window(0, 0, attention.viewport_rows, attention.viewport_entities)
    left_out = set(without)
    return [place.entity_id for place in screen.places if place.entity_id not in left_out]


def genres_of(world: World, entity_ids: Iterable[str]) -> frozenset[str]:
    known = (world.by_id[entity_id] for entity_id in entity_ids if entity_id in world.by_id)
    return frozenset(genre for truth in known for genre in truth.genres)


def genre_share(world: World, entity_ids: Sequence[str], genres: frozenset[str]) -> float:
    """Share of the entities that have one of the genres; 0 if there are none."""
    alike = sum(bool(genres_of(world, [entity_id]) & genres) for entity_id in entity_ids)
    return alike / max(1, len(entity_ids))
