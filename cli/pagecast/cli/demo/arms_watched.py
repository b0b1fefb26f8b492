"""A watched platform: who was shown which arm, and what they did, while it happens.

Letters: U users of both arms, in the order in which they came.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.featurestore.experiments.comparison import Comparison, compare
from pagecast.simulator.events import Visit
from pagecast.simulator.page import ShownPage
from pagecast.simulator.platform import Platform
from pagecast.v1 import catalog_pb2, events_pb2


@dataclass(kw_only=True)
class MemberSoFar:
    """Counts of one member."""

    arm: str = ""
    pages: int = 0
    clicks: int = 0
    completed: int = 0


@dataclass(frozen=True, kw_only=True)
class ArmSoFar:
    """Sums over the members of an arm."""

    arm: str
    members: int
    pages: int
    clicks: int
    completed: int


class WatchedPlatform:
    """Passes everything on; the simulator's threads and the table's drawer ask it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._counting = threading.Lock()
        self._members: dict[str, MemberSoFar] = {}
        self.late_pages = 0

    def try_page(self, user_id: str, at_ms: int) -> None:
        self._platform.try_page(user_id, at_ms)

    def page(self, visit: Visit, at_ms: int, seed: int) -> ShownPage:
        page = self._platform.page(visit, at_ms, seed)
        with self._counting:
            member = self._members.setdefault(visit.user_id, MemberSoFar())
            member.arm, member.pages = page.arm, member.pages + 1
            self.late_pages = self._platform.late_pages
        return page

    def publish(self, user_id: str, events: Sequence[events_pb2.InteractionEvent]) -> None:
        self._platform.publish(user_id, events)
        with self._counting:
            # Before their first page, members have only a past, which is no arm's doing.
            if (member := self._members.get(user_id)) is None:
                return
            for event in events:
                action = event.WhichOneof("action")
                member.clicks += action in ("click", "view_details")
                member.completed += action == "stop" and event.stop.completed

    def change_catalog(self, changes: Sequence[catalog_pb2.CatalogChange]) -> None:
        self._platform.change_catalog(changes)

    def knows(self, user_id: str) -> bool:
        return self._platform.knows(user_id)

    def forget(self, user_id: str) -> bool:
        return self._platform.forget(user_id)

    def arms(self) -> list[ArmSoFar]:
        """By the arm's name."""
        members = self._seen()
        return [
            ArmSoFar(
                arm=arm,
                members=len(own := [m for m in members if m.arm == arm]),
                pages=sum(m.pages for m in own),
                clicks=sum(m.clicks for m in own),
                completed=sum(m.completed for m in own),
            )
            for arm in sorted({m.arm for m in members})
        ]

    def clicks_compared(self, treated: str) -> Comparison | None:
        """Clicks per member, an arm against the rest; None while either is empty."""
        members = self._seen()
        treated_U = np.array([m.arm == treated for m in members], bool)
        if not treated_U.any() or treated_U.all():
            return None
        return compare(np.array([m.clicks for m in members], np.float64), treated_U)

    def _seen(self) -> list[MemberSoFar]:
        with self._counting:
            return list(self._members.values())
