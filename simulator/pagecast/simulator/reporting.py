"""A member's client: it has a clock, and reports what happens on the page that is shown."""

from dataclasses import dataclass, field, replace

from pagecast.simulator.events import Act, Visit, event_of
from pagecast.v1 import events_pb2

ACT_MS = 2_000
"""Time between a click, what follows it, and the next page."""


@dataclass(kw_only=True)
class Reporter:
    """Events that wait to be published, in the order of their times."""

    visit: Visit
    now_ms: int
    waiting: list[events_pb2.InteractionEvent] = field(default_factory=list)

    def show(self, page_id: str) -> None:
        """From now on what happens happens on this page."""
        self.visit = replace(self.visit, page_id=page_id)

    def pass_time(self, ms: int) -> None:
        self.now_ms += ms

    def act(self, act: Act) -> None:
        """An act, a moment after what was before it."""
        self.now_ms += ACT_MS
        self.note(act)

    def note(self, act: Act) -> None:
        """An act at this very moment."""
        self.waiting.append(event_of(self.visit, self.now_ms, act))

    def take(self) -> list[events_pb2.InteractionEvent]:
        """Takes what waits to be published."""
        taken, self.waiting = self.waiting, []
        return taken
