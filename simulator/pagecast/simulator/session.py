"""A session: a member asks for pages, looks, chooses, watches, and leaves.

It knows the platform as two functions. Given the same pages it makes the same events, byte for
byte.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pagecast.simulator.acting import MINUTE_MS, act
from pagecast.simulator.browsing import Browser
from pagecast.simulator.chance import Chance
from pagecast.simulator.config import LifeConfig
from pagecast.simulator.events import Visit
from pagecast.simulator.intent import intent_of
from pagecast.simulator.member import Member
from pagecast.simulator.page import ShownPage
from pagecast.simulator.reporting import Reporter
from pagecast.simulator.watching import Watched
from pagecast.simulator.world import World
from pagecast.v1 import events_pb2

PAGES_MAX = 8
"""Pages of a session: whoever has found nothing to stay for by then has other things to do."""

LONG_MINUTES = 10.0
"""From here on a play was worth something (docs/papers.md 1.4)."""

Ask = Callable[[Visit, int, int], ShownPage]
"""Streams a page for a visit, at a moment in milliseconds since 1970, with a seed."""

Publish = Callable[[Sequence[events_pb2.InteractionEvent]], None]


@dataclass(kw_only=True)
class SessionRecord:
    """What happened in a session."""

    member: int
    user_id: str
    began_ms: int
    device: str
    gain: float
    """What it was worth to the member."""
    pages: list[ShownPage] = field(default_factory=list)
    events: list[events_pb2.InteractionEvent] = field(default_factory=list)
    played: list[str] = field(default_factory=list)

    @property
    def ended_ms(self) -> int:
        """The moment of the last event."""
        return self.events[-1].occurred_at.ToMilliseconds() if self.events else self.began_ms


def play_session(
    world: World,
    member: Member,
    session_id: str,
    began_ms: int,
    chance: Chance,
    ask: Ask,
    publish: Publish,
) -> SessionRecord:
    """Plays a session; what happened on a page is published before the next is asked for.

    `chance` is the session's own.
    """
    intent = intent_of(world, member, chance.below("intent"), began_ms)
    visit = Visit(user_id=member.user_id, session_id=session_id, device=intent.device)
    reporter = Reporter(visit=visit, now_ms=began_ms)
    browser = Browser(world=world, member=member, intent=intent, reporter=reporter)
    until_ms = began_ms + round(intent.minutes * MINUTE_MS)
    life = world.config.life
    record = SessionRecord(
        member=member.number,
        user_id=member.user_id,
        began_ms=began_ms,
        device=intent.device,
        gain=life.gain_nothing,
    )
    for number in range(PAGES_MAX):
        own = chance.below("page", number)
        page = ask(visit, reporter.now_ms, own.number("seed"))
        record.pages.append(page)
        reporter.show(page.page_id)
        chosen = browser.browse(page, own)
        watched = None
        if chosen is not None:
            watched = act(world, member, chosen, until_ms, reporter, own)
        if chosen is not None and watched is not None:
            record.played.append(chosen.entity_id)
            record.gain = max(record.gain, _gain(life, watched))
        happened = reporter.take()
        publish(happened)
        record.events += happened
        if chosen is None or _ends(world, watched, reporter.now_ms >= until_ms, own):
            break
    member.free_at_ms = reporter.now_ms
    member.remember_session(life, record.gain)
    return record


def _ends(world: World, watched: Watched | None, late: bool, chance: Chance) -> bool:
    """Whether a session ends after a choice: a play satisfies, and a resumed one more so."""
    if watched is None:
        return late
    config = world.config.watching
    stops = config.stop_after_resumed if watched.resumed else config.stop_after
    return late or chance.happens(stops, "stop")


def _gain(life: LifeConfig, watched: Watched) -> float:
    if watched.completed:
        return life.gain_completed
    return life.gain_watched if watched.minutes >= LONG_MINUTES else life.gain_started
