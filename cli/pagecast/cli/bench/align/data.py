"""What contenders are trained on and members are made from: the past of the same people."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from pagecast.cli.bench.model_data import MADE_UP
from pagecast.cli.evaluation.data import open_data
from pagecast.cli.exits import InputError
from pagecast.cli.simulation.data import POINTS_MAX, VALUE_PLAYED
from pagecast.featurestore.catalog.popularity import Counted, decay
from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.featurestore.state import StatePaths
from pagecast.simulator.data import DataTooSmall, TrainingData
from pagecast.simulator.world import DAY_MS
from pagecast.streaming.counting import counted
from pagecast.trainer.benchmarks.made_up import made_up
from pagecast.trainer.benchmarks.views import some_users
from pagecast.trainer.data.snapshot import Snapshot
from pagecast.trainer.evaluation.protocols.interactions import Interactions, interactions_of

MADE_UP_USERS, MADE_UP_ENTITIES = 60, 200
"""Used if nothing was fetched, to see whether the bench works."""


@dataclass(frozen=True, kw_only=True)
class ArenaData:
    """`interactions` are all there are, `snapshot` is what a training reads of them, `people` what
    the simulator draws members from.

    `counts` are popularity scores as of `start_ms`, the first midnight after the last event, from
    the events that ingest counts.
    """

    interactions: Interactions
    snapshot: Snapshot
    people: TrainingData
    counts: Mapping[str, float]
    start_ms: int


def arena_data(name: str, paths: StatePaths, users_max: int | None, console: Console) -> ArenaData:
    """Raises InputError."""
    if name == MADE_UP:
        data = made_up(DEFAULT_FOLD, users=MADE_UP_USERS, entities=MADE_UP_ENTITIES)
        return of_interactions(_some(data, users_max))
    opened = open_data(name, paths, DEFAULT_FOLD, console).interchange
    data = _some(interactions_of(opened.users, opened.catalog), users_max)
    events = (event for user in data.users for event in opened.events[user.user_id])
    return of_interactions(data, counted(events))


def _some(data: Interactions, users_max: int | None) -> Interactions:
    return data if users_max is None else some_users(data, users_max)


def of_interactions(data: Interactions, events: Iterable[Counted] | None = None) -> ArenaData:
    """`events` count for popularity; without them each interaction counts as one.

    Raises InputError if the data cannot make members.
    """
    start_ms = (int(data.at_ms_X.max()) // DAY_MS + 1) * DAY_MS
    try:
        people = _people(data)
    except DataTooSmall as error:
        raise InputError(f"--data: {error}", "give more of it, or ml-100k") from error
    counts: dict[str, float] = {}
    count(counts, _each(data) if events is None else events, start_ms)
    return ArenaData(
        interactions=data,
        snapshot=Snapshot(catalog=data.catalog, users=data.users, positions={}),
        people=people,
        counts=counts,
        start_ms=start_ms,
    )


def _people(data: Interactions) -> TrainingData:
    """Each pair once, as it first occurred; a rating's value is its share of five."""
    rows: dict[tuple[int, int], float] = {}
    for user, entity, step in zip(
        data.user_X.tolist(), data.entity_X.tolist(), data.step_X.tolist(), strict=True
    ):
        points = data.users[user].steps[step].rating
        value = VALUE_PLAYED if points is None else max(0.5, points) / POINTS_MAX
        if entity < len(data.catalog.entities):
            rows.setdefault((user, entity), value)
    pairs = np.array(list(rows), np.int64).reshape(-1, 2)
    return TrainingData(
        entity_ids=tuple(e.entity_id for e in data.catalog.entities),
        genres=tuple(e.genres for e in data.catalog.entities),
        user_N=pairs[:, 0],
        entity_N=pairs[:, 1],
        value_N=np.array(list(rows.values()), np.float64),
    )


def _each(data: Interactions) -> list[Counted]:
    taken_up = zip(data.entity_X.tolist(), data.at_ms_X.tolist(), strict=True)
    return [Counted(("", 0), 0, data.entities[entity], at_ms) for entity, at_ms in taken_up]


def count(counts: dict[str, float], events: Iterable[Counted], as_of_ms: int) -> None:
    """Adds events to popularity scores, which are all as of one moment."""
    for event in events:
        worth = decay(as_of_ms - event.at_ms)
        counts[event.entity_id] = counts.get(event.entity_id, 0.0) + worth
