"""What a client has said so far about the page it browses: how far it has seen, and what was done.

Written in the event loop and read in threads: what threads read is replaced as a whole.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.history.history import RECENT_EVENTS_MAX
from pagecast.featurestore.history.overlay import Actions, copy_of, lay_over, steers
from pagecast.rules.facts import ROWS_MAX
from pagecast.server.browse.erasure_watch import ErasureWatch
from pagecast.server.page.part import WHOLE_PAGE, Past
from pagecast.server.page.users import User
from pagecast.v1 import events_pb2

ROWS_AHEAD_DEFAULT = 4
"""Rows decoded beyond the last one seen, if the client does not say: a screen, and one to scroll to
while the next is decoded."""

ACTIONS_MAX = RECENT_EVENTS_MAX // 2
"""Events of a call: half of the ids a history remembers, so that an ingested one is recognised even
after as many events from elsewhere."""

ACTIONS_BYTES_MAX = 64 * 1024
"""All events of a call together: they stand in the page's records, beside the longest page."""


class Browsing:
    """One call's. `rows_before` stood on the page when it was asked for."""

    def __init__(
        self,
        user_id: str,
        *,
        rows_before: int,
        rows_ahead: int,
        fold: FoldConfig,
        erasures: ErasureWatch,
    ) -> None:
        self.user_id = user_id
        self.rows_sent = rows_before
        self.actions: Actions = ()
        """Those that can change what is decoded."""
        self.received = 0
        self.received_bytes = 0
        self.is_over = False
        """Whether the client has half-closed."""
        self.is_cut = False
        """Whether no more may be decoded, because the server stops."""
        self.was_forgotten = False
        """Whether the user was forgotten since the call began: then nothing is reported."""
        self._rows_ahead = rows_ahead
        self._rows_max = rows_before + rows_ahead
        self._fold = fold
        self._erasures = erasures
        self._erased_ms: int | None = None
        self._known: User | None = None
        self._ingested: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._arrivals: deque[tuple[int, float]] = deque()
        self._room_since_s = 0.0

    # In the event loop.

    def see(self, row_position: int) -> None:
        """A row that was sent has been on the screen."""
        self._rows_max = max(self._rows_max, row_position + 1 + self._rows_ahead)
        self._changed.set()

    def take(self, events: Sequence[events_pb2.InteractionEvent]) -> None:
        """The next actions, which are valid and within the bounds."""
        received = self.received + len(events)
        self.received_bytes += sum(event.ByteSize() for event in events)
        if steering := tuple(event for event in events if steers(event)):
            self._arrivals.append((received, time.monotonic()))
            self.actions += steering
        # Last, so that a thread that sees the number also sees the actions.
        self.received = received

    def close(self) -> None:
        """The client will say nothing more: the rest of the page is wanted."""
        self.is_over = True
        self._rows_max = ROWS_MAX
        self._changed.set()

    def cut(self) -> None:
        """The server stops: the row in hand is the last one."""
        self.is_cut = True
        self._changed.set()

    async def until_wanted(self, rows: int) -> None:
        """Returns when a row after the first `rows` is wanted, or no more may be made."""
        while rows >= self._rows_max and not self.is_cut:
            self._changed.clear()
            await self._changed.wait()
            self._room_since_s = time.monotonic()

    def waits_ended(self, reflected: int) -> list[float]:
        """How long, in seconds, actions waited for the row that has just been decoded, which
        reflects the first `reflected` events; time in which no row was wanted is left out."""
        now_s, ended = time.monotonic(), []
        while self._arrivals and self._arrivals[0][0] <= reflected:
            _, arrived_s = self._arrivals.popleft()
            ended.append(now_s - max(arrived_s, self._room_since_s))
        return ended

    # In threads.

    @property
    def rows_max(self) -> int:
        """Rows that may stand on the page before more has been seen."""
        return self._rows_max

    def past_of(self, user: User | None) -> Past:
        """What was read, or was known before if nothing was, with the call's actions laid over."""
        received, actions = self.received, self.actions
        if self.is_forgotten():
            self._known, self._ingested = None, frozenset(a.event_id for a in actions)
        known = self._known if user is None else user
        self._known = known
        past = WHOLE_PAGE.past_of(known)
        waiting = [action for action in actions if action.event_id not in self._ingested]
        # `_known` stays as it was read, so that the next part can tell what was ingested.
        history = copy_of(past.user.history) if waiting else past.user.history
        history, laid = lay_over(history, self.user_id, waiting, self._fold)
        self._ingested |= {a.event_id for a in waiting} - {a.event_id for a in laid}
        return replace(
            past, user=replace(past.user, history=history), actions=laid, reflected=received
        )

    def is_forgotten(self) -> bool:
        """Whether the user has asked to be forgotten since this was last asked."""
        newest_ms, before_ms = self._erasures.newest_ms(self.user_id), self._erased_ms
        if newest_ms is None:
            return False
        self._erased_ms = newest_ms
        forgotten = before_ms is not None and newest_ms != before_ms
        self.was_forgotten |= forgotten
        return forgotten


class BrowsedPart:
    """The part of a page that is decoded until the client must see more, or has done something."""

    def __init__(self, browsing: Browsing, *, is_first: bool) -> None:
        self.is_first = is_first
        self._browsing = browsing
        self._reflected: int | None = None
        self.reflected = 0
        """How many events of the call it reflects."""

    def past_of(self, user: User | None) -> Past:
        actions = len(self._browsing.actions)
        past = self._browsing.past_of(user)
        self._reflected, self.reflected = actions, past.reflected
        return past

    def ends_with(self, rows: int) -> bool:
        browsing = self._browsing
        acted = len(browsing.actions) != self._reflected
        return rows >= browsing.rows_max or acted or browsing.is_cut
