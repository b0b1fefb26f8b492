"""Small worlds for the simulator's tests, and a platform that answers at once."""

import threading
from collections.abc import Sequence

import numpy as np
from factories import START_MS

from pagecast.simulator.chance import Chance
from pagecast.simulator.config import SimulatorConfig
from pagecast.simulator.data import TrainingData
from pagecast.simulator.events import Visit
from pagecast.simulator.page import ShownPage, ShownRow
from pagecast.simulator.world import DAY_MS, World
from pagecast.v1 import catalog_pb2, events_pb2

GENRES = ("Comedy", "Drama", "Western")
FILMS, PEOPLE = 60, 24
MIDNIGHT_MS = START_MS - START_MS % DAY_MS


def training_data(people: int = PEOPLE, films: int = FILMS) -> TrainingData:
    """People who each took up films of one genre, and a few others; ids as in the small house."""
    rng = np.random.default_rng(5)
    rows = []
    for user in range(people):
        mine = [film for film in range(films) if film % len(GENRES) == user % len(GENRES)]
        liked = rng.choice(mine, size=min(len(mine), 12), replace=False)
        others = np.setdiff1d(rng.choice(films, size=3, replace=False), liked)
        rows += [(user, film, 0.9) for film in liked] + [(user, film, 0.4) for film in others]
    user_N, entity_N, value_N = np.array(rows).T
    return TrainingData(
        entity_ids=tuple(f"m{film}" for film in range(films)),
        genres=tuple((GENRES[film % len(GENRES)],) for film in range(films)),
        user_N=user_N.astype(np.int64),
        entity_N=entity_N.astype(np.int64),
        value_N=value_N,
    )


def world(config: SimulatorConfig | None = None) -> World:
    return World(training_data(), config or SimulatorConfig(), Chance(1))


def page_of(
    rows: Sequence[Sequence[str]], *, user_id: str = "u", page_id: str = "p", at_ms: int = START_MS
) -> ShownPage:
    return ShownPage(
        page_id=page_id,
        user_id=user_id,
        requested_at_ms=at_ms,
        rows=tuple(
            ShownRow(row_id=f"row-{n}", argument_entity_id="", entity_ids=tuple(entities))
            for n, entities in enumerate(rows)
        ),
    )


class FixedPlatform:
    """Shows everybody the same films; the page's id is what was asked for."""

    def __init__(self, rows: Sequence[Sequence[str]] = ()) -> None:
        self.rows = rows or [[f"m{10 * row + i}" for i in range(10)] for row in range(6)]
        self.late_pages = 0
        self.published: dict[str, list[events_pb2.InteractionEvent]] = {}
        self.launched: list[catalog_pb2.CatalogChange] = []
        self.forgotten: list[str] = []
        self._lock = threading.Lock()

    def try_page(self, user_id: str, at_ms: int) -> None:
        """Nothing is refused."""

    def page(self, visit: Visit, at_ms: int, seed: int) -> ShownPage:
        page_id = f"{visit.user_id}/{at_ms}"
        return page_of(self.rows, user_id=visit.user_id, page_id=page_id, at_ms=at_ms)

    def publish(self, user_id: str, events: Sequence[events_pb2.InteractionEvent]) -> None:
        with self._lock:
            self.published.setdefault(user_id, []).extend(events)

    def change_catalog(self, changes: Sequence[catalog_pb2.CatalogChange]) -> None:
        self.launched += changes

    def knows(self, user_id: str) -> bool:
        return bool(self.published.get(user_id))

    def forget(self, user_id: str) -> bool:
        self.forgotten.append(user_id)
        return True

    def traffic(self) -> dict[str, list[bytes]]:
        """Everybody's events, byte for byte."""
        return {
            user_id: [event.SerializeToString(deterministic=True) for event in events]
            for user_id, events in self.published.items()
        }
