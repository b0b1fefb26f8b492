"""When members come: the beginnings of a day's sessions, and the past they begin with."""

import math
from typing import NamedTuple

import numpy as np

from pagecast.simulator.chance import Chance
from pagecast.simulator.config import DAYPARTS
from pagecast.simulator.events import Visit, event_of
from pagecast.simulator.intent import DAYPART_MS
from pagecast.simulator.member import Member
from pagecast.simulator.world import DAY_MS, World
from pagecast.v1 import events_pb2


class Arrival(NamedTuple):
    """A session that is to begin; ordered by time."""

    at_ms: int
    member: int
    number: int
    """Of the draw, among the member's of the day, from 0. The session's luck hangs on it, so it is
    not the place in the day: one session more would change the luck of those after it."""


def arrivals(world: World, member: Member, chance: Chance, day_ms: int) -> list[Arrival]:
    """Sessions of a member on the day that begins at `day_ms`; `chance` is the member's day."""
    life, parts = world.config.life, world.config.intent.dayparts
    rate = life.sessions_a_day * member.activity * math.exp(life.visits * member.satisfaction)
    drawn = []
    for number in range(chance.poisson(rate, life.sessions_a_day_max, "sessions")):
        part = DAYPARTS.index(chance.pick(parts, "daypart", number))
        at_ms = day_ms + round((part + chance.uniform("moment", number)) * DAYPART_MS)
        drawn.append(Arrival(at_ms, member.number, number))
    return sorted(drawn)


def past(world: World, member: Member, before_ms: int) -> list[events_pb2.InteractionEvent]:
    """The newest of what the member's person took up, spread over the days before a moment.

    Each is a play and a rating, as public data become events (docs/data.md). The plays are the
    member's own from then on: completed and known.
    """
    life, data = world.config.life, world.data
    all_N = np.flatnonzero(data.user_N == member.person)
    mine_N = all_N[max(0, len(all_N) - life.past_plays) :]
    step_ms = life.past_days * DAY_MS // (len(mine_N) + 1)
    visit = Visit(user_id=member.user_id, session_id=f"{member.user_id}-past", device="")
    events = []
    for number, n in enumerate(mine_N.tolist()):
        at_ms = before_ms - (len(mine_N) - number) * step_ms
        entity_id = data.entity_ids[data.entity_N[n]]
        member.completed.add(entity_id)
        play = events_pb2.Play(entity_id=entity_id, kind=events_pb2.PLAY_KIND_FEATURE)
        points = max(0.5, round(float(data.value_N[n]) * 10) / 2)
        rate = events_pb2.Rate(entity_id=entity_id, rating=points)
        events += [event_of(visit, at_ms, play), event_of(visit, at_ms + 1, rate)]
    return events
