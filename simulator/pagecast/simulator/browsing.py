"""How a member goes through a page until something is chosen, or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from pagecast.simulator.attention import looked_at, screens, sideways
from pagecast.simulator.chance import Chance
from pagecast.simulator.choice import choose, fit, utility
from pagecast.simulator.intent import Intent
from pagecast.simulator.member import Member
from pagecast.simulator.page import Place, Screen, ShownPage
from pagecast.simulator.reporting import Reporter
from pagecast.simulator.world import World
from pagecast.v1 import events_pb2

SCREEN_TIMES_MAX = 4.0
"""Longest time on a screen, in mean times: so all screens of a page fit into its window."""


@dataclass(frozen=True, kw_only=True)
class Browser:
    """A member in front of pages, with an intent."""

    world: World
    member: Member
    intent: Intent
    reporter: Reporter

    def browse(self, page: ShownPage, chance: Chance) -> Place | None:
        """Goes down the page, and sideways where it looks best; None is abandonment.

        `chance` is the page's.
        """
        attention = self.world.config.attention
        for screen in screens(attention, page):
            chosen, best_row = self._look(screen, chance)
            if chosen is None and chance.happens(attention.scroll_right, "right", screen.row):
                chosen, _ = self._look(sideways(attention, page, best_row), chance)
            if chosen is not None:
                return chosen
            if not chance.happens(attention.scroll_down, "down", screen.row):
                return None
        return None

    def _look(self, screen: Screen, chance: Chance) -> tuple[Place | None, int]:
        """What is chosen on a screen, and the row of what was wanted most."""
        if not screen.places:
            return None, screen.row
        config, at = self.world.config, (screen.row, screen.position)
        self.reporter.note(screen.impression())
        seconds = chance.exponential(config.attention.screen_seconds, "seconds", *at)
        seconds = min(seconds, SCREEN_TIMES_MAX * config.attention.screen_seconds)
        self.reporter.pass_time(round(seconds * 1000))
        places = {p.entity_id: p for p in looked_at(config.attention, screen, chance)}
        wanted = {entity_id: self._utility(entity_id) for entity_id in places}
        chosen = choose(wanted, config.appetite.nothing, chance, at)
        self._pass_over({e: place for e, place in places.items() if e != chosen}, chance)
        best = max(wanted, key=wanted.__getitem__, default=None)
        row = screen.row if best is None else places[best].row
        return (None if chosen is None else places[chosen]), row

    def _utility(self, entity_id: str) -> float:
        now_ms = self.reporter.now_ms
        return utility(self.world, self.member, self.intent, entity_id, now_ms)

    def _pass_over(self, places: Mapping[str, Place], chance: Chance) -> None:
        """What was looked at and not chosen tires; the first strongly disliked may be hidden."""
        config, member, hidden = self.world.config.watching, self.member, False
        for entity_id, place in places.items():
            member.looked_at[entity_id] = member.looked_at.get(entity_id, 0) + 1
            disliked = fit(self.world, member, self.world.by_id.get(entity_id)) < config.hide_below
            if disliked and not hidden and chance.happens(config.hide, "hide", entity_id):
                hidden = True
                hide = events_pb2.Hide(entity_id=entity_id, placement=place.placement())
                self.reporter.act(hide)
