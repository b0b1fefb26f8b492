"""Members' pages beside their twins': they may differ only by what the session did."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from factories import START_MS
from simulator.factories_simulator import FixedPlatform, world

from pagecast.simulator.events import Visit, event_of
from pagecast.simulator.page import ShownPage
from pagecast.simulator.reaction import AFTER_MINUTES, MINUTE_MS, Life, reactions
from pagecast.simulator.session import SessionRecord
from pagecast.v1 import events_pb2

WORLD = world()
PLAY = events_pb2.Play(entity_id="m0", kind=events_pb2.PLAY_KIND_FEATURE)
DAY_MINUTES = 24 * 60


def unheard(_stage: str, _share: float) -> None:
    """Nobody is told."""


class Makers(FixedPlatform):
    """Who is not of arm A sees the rows in the other order; a new champion comes after a day."""

    def __init__(self, arms: Mapping[str, str], switched_for: str = "") -> None:
        super().__init__()
        self._arms, self._switched_for = arms, switched_for

    def page(self, visit: Visit, at_ms: int, seed: int) -> ShownPage:
        page, arm = super().page(visit, at_ms, seed), self._arms[visit.user_id]
        switched = at_ms > START_MS + DAY_MINUTES * MINUTE_MS and visit.user_id > self._switched_for
        rows = page.rows if arm == "A" else page.rows[::-1]
        return replace(page, rows=rows, arm=arm, model_version="new" if switched else "old")


def life(number: int) -> Life:
    """A member who once played something, and came back."""
    user_id = f"u{number}"
    visit = Visit(user_id=user_id, session_id="s", device="tv")
    last = SessionRecord(
        member=number, user_id=user_id, began_ms=START_MS, device="tv", gain=0.0, played=["m0"]
    )
    return Life(last=last, earlier=[event_of(visit, START_MS - DAY_MINUTES, PLAY)])


def test_pages_of_two_arms_are_not_compared() -> None:
    arms = {"u0": "A", "u0-twin": "A", "u1": "A", "u1-twin": "B", "u2": "B", "u2-twin": "B"}
    measured, _ = reactions(WORLD, Makers(arms), [life(number) for number in range(3)], unheard)
    assert [(one.members, one.dropped) for one in measured] == [(2, 1)] * len(AFTER_MINUTES)
    assert all(one.changed.mean == one.genre_lift.mean == 0.0 for one in measured)


def test_pages_before_and_after_a_change_of_the_model_are_not_compared() -> None:
    platform = Makers({"u0": "A", "u0-twin": "A"}, switched_for="u0")
    measured, _ = reactions(WORLD, platform, [life(0)], unheard)
    for one in measured:
        switched = one.after_minutes > DAY_MINUTES
        assert (one.members, one.dropped) == ((0, 1) if switched else (1, 0))
        assert one.changed.mean == (None if switched else pytest.approx(0.0))
