"""`pagecast bench model`: cells one after the other, each in a process of its own."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from pagecast.cli.bench.model_cells import DoneCells
from pagecast.cli.bench.model_cores import Cores
from pagecast.cli.bench.model_data import ModelData
from pagecast.cli.progress import progress_bar
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.benchmarks.cells import Cell, DataView, Figures
from pagecast.trainer.benchmarks.tables import TABLES, Budget, cells

ALONE = ("throughput", "cost")
"""Tables of speed: nothing else may run meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Cells with their figures, in the order of the tables."""

    cells: Sequence[tuple[Cell, Figures]]
    split_sha256: str
    """Of the data."""


@dataclass(frozen=True, kw_only=True)
class CellsConfig:
    """On which data cells are measured, and where."""

    paths: StatePaths
    folder: Path
    """Where everything is made, and all but the cells' output removed."""
    data: str
    users_max: int | None = None
    """Fewer users, for seeing whether it works."""
    jobs: int = 1
    """Cells at a time, each on a core of its own."""
    out: Path | None = None
    """Where done cells are kept, and found again."""

    def __post_init__(self) -> None:
        cores = len(os.sched_getaffinity(0))
        if not 1 <= self.jobs <= cores:
            raise ValueError(f"jobs must be between 1 and {cores}, the cores there are")


@dataclass(frozen=True, kw_only=True)
class ModelBenchConfig(CellsConfig):
    """What to measure, and how much of it."""

    tables: tuple[str, ...] = tuple(TABLES)
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        super().__post_init__()
        cells(self.tables, self.budget)


def measure_model(config: ModelBenchConfig, commit: str, console: Console) -> Measured:
    """Measures the tables' cells. Raises CliError."""
    return measure_cells(cells(config.tables, config.budget), config, commit, console)


def measure_cells(
    wanted: Sequence[Cell], config: CellsConfig, commit: str, console: Console
) -> Measured:
    """Measures what is not yet in the file of done cells. Raises CliError."""
    logs = config.folder.absolute() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=config.folder) as folder:
        data = ModelData(
            name=config.data,
            paths=config.paths,
            folder=Path(folder).absolute(),
            users_max=config.users_max,
            console=console,
        )
        data.file(DataView())
        done = DoneCells(config.out, {"commit": commit, "data": data.split_sha256})
        left = [cell for cell in wanted if done.get(cell) is None]
        files = [(cell, data.file(cell.view)) for cell in left]
        alone = [pair for pair in files if pair[0].table in ALONE]
        together = [pair for pair in files if pair[0].table not in ALONE]
        with progress_bar(console) as progress:
            cores = Cores(Path(folder).absolute(), logs, progress, done.add)
            cores.measure(alone, jobs=1)
            cores.measure(together, jobs=config.jobs)
    found = [(cell, done.get(cell)) for cell in wanted]
    return Measured(
        cells=[(cell, figures) for cell, figures in found if figures is not None],
        split_sha256=data.split_sha256,
    )
