"""`pagecast bench learn` from options to rows; the command's own file is its options."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pagecast.cli.bench.learn_cells import BEGIN, QUICK_PASSES, QUICK_SLICES, SLICES, learn_cells
from pagecast.cli.bench.learn_rows import learn_rows
from pagecast.cli.bench.machine import BENCH_FOLDER, Circumstances
from pagecast.cli.bench.model import CellsConfig, Measured, measure_cells
from pagecast.cli.bench.model_budget import QUICK_USERS, budget_of
from pagecast.cli.bench.model_data import chosen_data
from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.table import show_circumstances, show_rows
from pagecast.cli.exits import InputError
from pagecast.cli.logs import configure_logging
from pagecast.cli.output import Output
from pagecast.cli.output_files import check_folders
from pagecast.cli.settings import load_settings
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.benchmarks.cells import Cell


@dataclass(frozen=True, kw_only=True)
class LearnBench:
    """The command's options, as given; the command's help says what None means."""

    quick: bool
    slices: int | None
    begin: float | None
    passes: float | None
    seeds: str | None
    data: str | None
    jobs: int | None
    out: Path | None
    state_dir: Path | None
    as_json: bool

    def run(self) -> None:
        """Measures and tells. Raises InputError that names the option at fault."""
        settings = load_settings(state_dir=self.state_dir)
        configure_logging(settings, level="error")
        output = Output(as_json=self.as_json)
        config, wanted = self._config(StatePaths(root=settings.state_dir))
        circumstances = Circumstances.now()
        measured = measure_cells(wanted, config, circumstances.commit, output.console)
        rows = learn_rows([figures for _, figures in measured.cells])
        self._tell(output, circumstances, config, measured, rows)

    def _config(self, paths: StatePaths) -> tuple[CellsConfig, Sequence[Cell]]:
        check_folders(out=self.out)
        cores = len(os.sched_getaffinity(0))
        passes = QUICK_PASSES if self.passes is None and self.quick else self.passes
        slices = (QUICK_SLICES if self.quick else SLICES) if self.slices is None else self.slices
        try:
            seeds = budget_of(self.seeds, None, quick=self.quick).seeds
            wanted = learn_cells(seeds, passes, slices, BEGIN if self.begin is None else self.begin)
            config = CellsConfig(
                paths=paths,
                folder=paths.root / BENCH_FOLDER,
                data=chosen_data(self.data, paths),
                users_max=QUICK_USERS if self.quick else None,
                jobs=self.jobs or (cores if self.quick else 1),
                out=self.out,
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        return config, wanted

    def _tell(
        self,
        output: Output,
        circumstances: Circumstances,
        config: CellsConfig,
        measured: Measured,
        rows: list[Row],
    ) -> None:
        show_rows(output, rows)
        if self.quick:
            output.say(
                f"\nQuick: {QUICK_USERS} users, two slices, a fifth of a pass. These are not the "
                "real figures."
            )
        show_circumstances(output, circumstances)
        output.say(f"data {config.data}, split SHA-256 {measured.split_sha256}")
        output.document(
            {
                **circumstances.to_dict(),
                "quick": self.quick,
                "data": config.data,
                "split_sha256": measured.split_sha256,
                "seeds": [{"seed": cell.seed, **figures} for cell, figures in measured.cells],
                "rows": [row.to_dict() for row in rows],
            }
        )
