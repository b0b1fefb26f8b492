"""Members whose pages are compared with a twin's: their events are held to the end."""

from collections.abc import Sequence

from pagecast.simulator.reaction import Life
from pagecast.simulator.session import SessionRecord
from pagecast.v1 import events_pb2

HELD_TIMES = 4
"""Members whose events are held, for each one who is compared: about half of all last sessions play
something, and only these are of use."""


class Lives:
    """Events of the first members, the last session kept apart. `begin` is safe with threads."""

    def __init__(self, wanted: int) -> None:
        self._wanted, self._held = wanted, wanted * HELD_TIMES
        self._earlier: dict[int, list[events_pb2.InteractionEvent]] = {}
        self._last: dict[int, SessionRecord] = {}

    def begin(self, member: int, events: Sequence[events_pb2.InteractionEvent]) -> None:
        """What a member did before the first session."""
        if member < self._held:
            self._earlier[member] = list(events)

    def add(self, record: SessionRecord) -> None:
        """The next session of its member."""
        if record.member >= self._held:
            return
        if (before := self._last.get(record.member)) is not None:
            self._earlier[record.member] += before.events
        self._last[record.member] = record

    def chosen(self) -> list[Life]:
        """The first members whose last session played something."""
        lives = [
            Life(last=record, earlier=self._earlier[member])
            for member, record in sorted(self._last.items())
            if record.played and self._earlier[member]
        ]
        return lives[: self._wanted]
