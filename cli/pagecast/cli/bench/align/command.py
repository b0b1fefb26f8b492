"""`pagecast bench align` from options to tables; the command's own file is its options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pagecast.cli.bench.align.contenders import CONTENDERS
from pagecast.cli.bench.align.data import ArenaData, arena_data
from pagecast.cli.bench.align.folder import open_folder
from pagecast.cli.bench.align.loop.bench import LoopOptions, run_loop
from pagecast.cli.bench.align.loop.config import LoopConfig
from pagecast.cli.bench.align.measuring import key_of, measured
from pagecast.cli.bench.align.tables import LOOP, TABLES, Asked, cells_of, tables_asked
from pagecast.cli.bench.align.trainings import KeptTrainings
from pagecast.cli.bench.align.workshop import REWARD, Effort
from pagecast.cli.bench.machine import Circumstances
from pagecast.cli.bench.model_budget import QUICK_USERS
from pagecast.cli.bench.model_cells import DoneCells
from pagecast.cli.bench.model_data import chosen_data
from pagecast.cli.bench.table import show_circumstances
from pagecast.cli.exits import InputError
from pagecast.cli.logs import configure_logging
from pagecast.cli.output import Output
from pagecast.cli.output_files import check_folders
from pagecast.cli.settings import load_settings
from pagecast.featurestore.state import StatePaths
from pagecast.simulator.config import SimulatorConfig
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.benchmarks.cells import Cell, Figures
from pagecast.trainer.config import TrainConfig

SEEDS, MEMBERS, DAYS = "0,1,2,3,4", 200, 7

QUICK_SEEDS, QUICK_MEMBERS, QUICK_DAYS, QUICK_PASSES, QUICK_ROUNDS = "0", 20, 2, 4.0, 4

GENREC = (
    "GenRec told of +9.5 % clicks and +8.7 % transactions over its multi-stage pipeline, on people."
)


@dataclass(frozen=True, kw_only=True)
class AlignBench:
    """The command's options, as given; the command's help says what None means."""

    quick: bool
    tables: str | None
    contenders: str | None
    arms: str | None
    seeds: str | None
    members: int | None
    days: int | None
    passes: float | None
    rounds: int | None
    data: str | None
    out: Path | None
    plot: Path | None
    state_dir: Path | None
    as_json: bool

    def run(self) -> None:
        """Measures and tells. Raises InputError that names the option at fault."""
        settings = load_settings(state_dir=self.state_dir)
        configure_logging(settings, level="error")
        output, paths = Output(as_json=self.as_json), StatePaths(root=settings.state_dir)
        asked, circumstances = self._asked(), Circumstances.now()
        names = self._tables(asked)
        loop = self._loop(asked.seeds) if LOOP in names else None
        cells = self._cells([name for name in names if name != LOOP], asked)
        data, facts = self._data(paths, output)
        of = {"commit": circumstances.commit, **facts}
        done = DoneCells(self.out, of)
        told: dict[str, Any] = {}
        if cells:
            told = _compared(cells, asked, data, done, self._trainings(of), output)
        if loop is not None:
            told["loop"] = run_loop(loop, data, circumstances.commit, self.plot, output)
        self._tell(output, circumstances, facts)
        output.document(
            {**circumstances.to_dict(), **facts, "simulator": True, "quick": self.quick, **told}
        )

    def _tell(self, output: Output, circumstances: Circumstances, facts: Mapping[str, str]) -> None:
        output.say(f"Nobody was real: lifts are the simulator's. {GENREC}")
        if self.quick:
            output.say("\nQuick: few users, members and days. These are not the real figures.")
        show_circumstances(output, circumstances)
        output.say("".join(f"{name} {value}\n" for name, value in facts.items()).rstrip())

    def _asked(self) -> Asked:
        """Raises InputError."""
        check_folders(out=self.out, plot=self.plot)
        wanted = tuple(self.contenders.split("/")) if self.contenders else None
        for name in wanted or ():
            if name not in CONTENDERS:
                raise InputError(f"--contenders: {name!r} is none of {' / '.join(CONTENDERS)}")
        quick = self.quick
        passes = QUICK_PASSES if quick else TrainConfig().epochs
        return Asked(
            seeds=self._seeds(),
            effort=Effort(
                members=self.members or (QUICK_MEMBERS if quick else MEMBERS),
                days=self.days or (QUICK_DAYS if quick else DAYS),
                passes=passes if self.passes is None else self.passes,
                rounds=self.rounds or (QUICK_ROUNDS if quick else AlignConfig().steps),
            ),
            contenders=wanted,
            quick=quick,
        )

    def _seeds(self) -> tuple[int, ...]:
        told = self.seeds or (QUICK_SEEDS if self.quick else SEEDS)
        try:
            seeds = tuple(dict.fromkeys(int(part) for part in told.split(",")))
        except ValueError as error:
            raise InputError(f"--seeds: {told!r} is no list", "write it as 0,1,2") from error
        if min(seeds) < 0:
            raise InputError("--seeds: they must not be negative", "write them as 0,1,2")
        return seeds

    def _tables(self, asked: Asked) -> list[str]:
        """Raises InputError."""
        try:
            return tables_asked(self.tables, asked.contenders)
        except ValueError as error:
            raise InputError(f"--{error}") from error

    def _cells(self, names: Sequence[str], asked: Asked) -> dict[str, list[Cell]]:
        """Raises InputError."""
        try:
            return cells_of(names, asked) if names else {}
        except ValueError as error:
            raise InputError(f"--{error}") from error

    def _trainings(self, of: Mapping[str, str]) -> KeptTrainings:
        """In a folder beside the file of `--out`. Raises InputError if it is another run's."""
        if self.out is None:
            return KeptTrainings()
        return KeptTrainings(open_folder(self.out.with_suffix(".trainings"), of))

    def _loop(self, seeds: tuple[int, ...]) -> LoopConfig:
        """`seeds` are those that were asked for. Raises InputError."""
        return LoopOptions(
            quick=self.quick,
            arms=self.arms,
            seeds=seeds if self.seeds else None,
            members=self.members,
            days=self.days,
            passes=self.passes,
            out=self.out,
        ).config()

    def _data(self, paths: StatePaths, output: Output) -> tuple[ArenaData, dict[str, str]]:
        """The data of all tables, and the facts that must be the same for a run to go on."""
        name = chosen_data(self.data, paths)
        data = arena_data(name, paths, QUICK_USERS if self.quick else None, output.console)
        return data, {
            "data": name,
            "data_sha256": data.people.sha256,
            "simulator_sha256": SimulatorConfig().sha256,
            "reward": " ".join(f"{k}={v:g}" for k, v in REWARD.table.items()),
        }


def _compared(
    cells: Mapping[str, Sequence[Cell]],
    asked: Asked,
    data: ArenaData,
    done: DoneCells,
    kept: KeptTrainings,
    output: Output,
) -> dict[str, Any]:
    """Measures the cells of these tables and shows them; returns their part of the document."""
    figures = measured(_once(cells), asked, data, done, kept, output)
    return {
        "cells": [{**cell.to_json(), **sums_of(figures[key_of(cell)])} for cell in _once(cells)],
        "tables": {
            name: TABLES[name].show(output, asked, [(cell, figures[key_of(cell)]) for cell in some])
            for name, some in cells.items()
        },
    }


def _once(wanted: Mapping[str, Sequence[Cell]]) -> list[Cell]:
    """Cells of all tables, each once, seed after seed."""
    cells = {key_of(cell): cell for some in wanted.values() for cell in some}
    return sorted(cells.values(), key=lambda cell: cell.seed)


def sums_of(figures: Figures) -> dict[str, float]:
    """Sums over all members of a cell; figures by target are left out."""
    return {
        name: float(sum(values)) if not isinstance(values, int | float) else float(values)
        for name, values in figures.items()
        if not name.endswith("_T")
    }
