"""What simulated members do on made-up pages: rows of random genres, filled in three ways.

    .venv/bin/python benchmarks/simulator.py --state-dir .pagecast --members 100 --days 7

The platform has no part in it: it shows what the simulator's parameters mean, and what a session
costs the simulator itself. `random` fills rows at random, `popular` by the data's counts, `truth`
by what is true of the member.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from pagecast.cli.simulation.data import read_training_data
from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.featurestore.state import StatePaths
from pagecast.simulator.chance import Chance
from pagecast.simulator.data import TrainingData
from pagecast.simulator.events import Visit
from pagecast.simulator.member import new_member
from pagecast.simulator.page import ShownPage, ShownRow
from pagecast.simulator.report import Report
from pagecast.simulator.run import simulate
from pagecast.simulator.run_config import RunConfig
from pagecast.simulator.world import DAY_MS, World
from pagecast.v1 import catalog_pb2, events_pb2

ROWS, ENTITIES = 8, 10
START_MS = 20_000 * DAY_MS

FIGURES = ("reward", "clicks", "plays", "completed", "abandoned")
"""Per session."""

Worth = Callable[[str, str], float]
"""Sorts a user's rows, from user id and entity id."""


class MadeUp:
    """Pages of a continue row and random genres; remembers only what is unfinished."""

    def __init__(self, data: TrainingData, worth: Worth | None) -> None:
        self._worth, self._lock, self._pages = worth, threading.Lock(), 0
        self._unfinished: dict[str, dict[str, None]] = {}
        self._by_genre: dict[str, list[str]] = {}
        self.late_pages = 0
        for entity_id, genres in zip(data.entity_ids, data.genres, strict=True):
            for genre in genres:
                self._by_genre.setdefault(genre, []).append(entity_id)

    def try_page(self, user_id: str, at_ms: int) -> None:
        """Pages can be had for any moment here."""

    def page(self, visit: Visit, at_ms: int, seed: int) -> ShownPage:
        draw, used = random.Random(seed), set[str]()
        begun = list(self._unfinished.get(visit.user_id, {}))[::-1][:ENTITIES]
        rows = [_row("continue", begun)] if begun else []
        used.update(begun)
        for genre in draw.sample(sorted(self._by_genre), ROWS - len(rows)):
            pool = [entity_id for entity_id in self._by_genre[genre] if entity_id not in used]
            draw.shuffle(pool)
            if self._worth is not None:
                worth = self._worth
                pool.sort(key=lambda entity_id: -worth(visit.user_id, entity_id))
            rows.append(_row(genre, pool[:ENTITIES]))
            used.update(pool[:ENTITIES])
        with self._lock:
            self._pages += 1
            page_id = f"page-{self._pages}"
        return ShownPage(
            page_id=page_id, user_id=visit.user_id, requested_at_ms=at_ms, rows=tuple(rows)
        )

    def publish(self, user_id: str, events: Sequence[events_pb2.InteractionEvent]) -> None:
        mine = self._unfinished.setdefault(user_id, {})
        for event in events:
            if event.HasField("stop"):
                mine.pop(event.stop.entity_id, None)
                if not event.stop.completed:
                    mine[event.stop.entity_id] = None

    def change_catalog(self, changes: Sequence[catalog_pb2.CatalogChange]) -> None:
        """Premieres are on no page here."""

    def knows(self, user_id: str) -> bool:
        return user_id in self._unfinished

    def forget(self, user_id: str) -> bool:
        return self._unfinished.pop(user_id, None) is not None


def _row(row_id: str, entity_ids: Sequence[str]) -> ShownRow:
    return ShownRow(row_id=row_id, argument_entity_id="", entity_ids=tuple(entity_ids))


def worths(data: TrainingData, config: RunConfig) -> dict[str, Worth | None]:
    """How rows are sorted, by name; None means not at all."""
    chance = Chance(config.seed)
    world, appetite = World(data, config.simulator, chance), config.simulator.appetite
    wanted: dict[str, dict[str, float]] = {}
    for number in range(config.members):
        member = new_member(world, chance, number, f"{config.prefix}-{config.seed}-{number}")
        wanted[member.user_id] = {
            entity_id: appetite.taste * world.affinity(member.taste_K, truth)
            + appetite.appeal * truth.appeal
            for entity_id, truth in world.by_id.items()
        }
    return {
        "random": None,
        "popular": lambda _, entity_id: world.by_id[entity_id].appeal,
        "truth": lambda user_id, entity_id: wanted[user_id][entity_id],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=Path(".pagecast"))
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    paths = StatePaths(root=given.state_dir)
    data = read_training_data("ml-100k", paths, DEFAULT_FOLD, Console(stderr=True))
    config = RunConfig(
        members=given.members,
        days=given.days,
        seed=given.seed,
        start_ms=START_MS,
        readers=1,
        reaction_members=0,
    )
    print(
        "| rows filled by | sessions | reward | clicks | plays | completed | abandoned | CPU ms |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, worth in worths(data, config).items():
        platform, begin_s = MadeUp(data, worth), time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            report = simulate(data, config, platform, Path(folder))
        print(_line(name, report, time.process_time() - begin_s))
        sys.stdout.flush()
    print(f"config {config.simulator.sha256}, data {data.sha256}, seed {config.seed}")


def _line(name: str, report: Report, cpu_s: float) -> str:
    sessions = report.tallies.whole().sessions
    cells = [name, f"{sessions:,}"]
    for what in FIGURES:
        estimate = report.tallies.per_session(what)
        cells.append(f"{estimate.mean:.2f} ({estimate.low:.2f} to {estimate.high:.2f})")
    return f"| {' | '.join([*cells, f'{cpu_s / max(1, sessions) * 1000:.1f}'])} |"


if __name__ == "__main__":
    main()
