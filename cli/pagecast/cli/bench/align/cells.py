"""Cells of `pagecast bench align`: a contender that members visit, or a way to say an entity."""

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from pydantic import JsonValue

from pagecast.cli.bench.align.contenders import CONTENDERS, Made
from pagecast.cli.bench.align.data import ArenaData
from pagecast.cli.bench.align.on_log import said_of_log
from pagecast.cli.bench.align.own_reward import of_models, own_reward
from pagecast.cli.bench.align.telling import Told, nobody
from pagecast.cli.bench.align.trainings import KeptTrainings
from pagecast.cli.bench.align.visits import Visits
from pagecast.cli.bench.align.workshop import Effort, Workshop
from pagecast.simulator.report import Tally
from pagecast.trainer.benchmarks.cells import Cell, Figures
from pagecast.trainer.benchmarks.measure import measure
from pagecast.trainer.benchmarks.spelled import IDS

VISITS, ALIGNED, VALUED = "visits", "aligned", "valued"
"""Tables of cells that members visit. Cells of the second are also judged by reward models, those
of the third by what they say of logged pages."""

METRICS = ("reward", "clicks", "completed")
"""Per session: page reward, clicks, completed plays."""


def visit_cells(names: Sequence[str], seeds: Sequence[int], effort: Effort) -> list[Cell]:
    """Contenders judged by what members do. Raises ValueError for an unknown one."""
    return _cells(VISITS, names, seeds, _settings(effort))


def aligned_cells(names: Sequence[str], seeds: Sequence[int], effort: Effort) -> list[Cell]:
    """The same with what reward models say of their pages. Raises ValueError likewise."""
    return _cells(ALIGNED, names, seeds, {**vars(effort)})


def valued_cells(names: Sequence[str], seeds: Sequence[int], effort: Effort) -> list[Cell]:
    """The same with GenPage's measures on logged pages. Raises ValueError likewise."""
    return _cells(VALUED, names, seeds, _settings(effort))


def _settings(effort: Effort) -> dict[str, JsonValue]:
    return {"members": effort.members, "days": effort.days, "passes": effort.passes}


def _cells(
    table: str, names: Sequence[str], seeds: Sequence[int], settings: dict[str, JsonValue]
) -> list[Cell]:
    if unknown := [name for name in names if name not in CONTENDERS]:
        raise ValueError(f"contenders: {unknown[0]!r} is none of {' / '.join(CONTENDERS)}")
    return [
        Cell(table=table, name=name, settings=settings, seed=seed)
        for seed in seeds
        for name in names
    ]


class Measuring(AbstractContextManager["Measuring"]):
    """Measures cells. What cells of one seed share is made once if they follow each other.

    Trainings resume from what `kept` has of them; its `cell_done` clears them away.
    """

    def __init__(
        self,
        data: ArenaData,
        effort: Effort,
        kept: KeptTrainings | None = None,
        told: Told = nobody,
    ) -> None:
        self._data, self._effort = data, effort
        self._kept, self._told = kept or KeptTrainings(), told
        self._folder = tempfile.TemporaryDirectory(prefix="workshop-")
        self._shop = self._workshop(-1)
        self._visited: dict[str, tuple[Made, Visits]] = {}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def measure(self, cell: Cell) -> Figures:
        """For a visited contender: totals by member, the same members for every contender."""
        if cell.table == IDS:
            return self._spelled(cell)
        self._begin(cell.seed)
        made, visits = self._visits(cell.name)
        user_ids = [f"sim-{cell.seed}-{number}" for number in range(self._effort.members)]
        figures = {**_totals(visits, user_ids), **made.told}
        if cell.table == ALIGNED:
            self._told("what reward models say", 0.0)
            figures |= own_reward(self._shop, visits.pages, user_ids)
            figures |= of_models(self._shop.reward_models.report)
        if cell.table == VALUED and made.trained is not None:
            self._told("logged pages", 0.0)
            figures |= said_of_log(self._shop, made.trained)
        return figures

    def _spelled(self, cell: Cell) -> Figures:
        self._told("training", 0.0)
        return measure(
            cell,
            self._data.interactions,
            lambda share: self._told("training", share),
            checkpoint=self._kept.own(cell.name, cell),
        )

    def _begin(self, seed: int) -> None:
        if self._shop.seed != seed:
            self._shop, self._visited = self._workshop(seed), {}

    def _workshop(self, seed: int) -> Workshop:
        folder = Path(self._folder.name)
        return Workshop(self._data, seed, self._effort, folder, kept=self._kept, told=self._told)

    def _visits(self, name: str) -> tuple[Made, Visits]:
        """A contender and its visits; its bundle is let go."""
        if name not in self._visited:
            made = CONTENDERS[name](self._shop)
            visits = self._shop.visits(made.bundle)
            self._visited[name] = replace(made, bundle=None), visits
        return self._visited[name]


def _totals(visits: Visits, user_ids: Sequence[str]) -> dict[str, float | Sequence[float]]:
    of_member = visits.report.tallies.of_member
    tallies = [of_member.get(user_id, Tally()) for user_id in user_ids]
    return {
        name: [float(getattr(tally, name)) for tally in tallies]
        for name in ("sessions", "pages", *METRICS)
    }
