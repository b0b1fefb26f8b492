"""`pagecast bench model` from options to rows; the command's own file is its options."""

import os
from dataclasses import dataclass
from pathlib import Path

from pagecast.cli.bench.machine import BENCH_FOLDER, Circumstances
from pagecast.cli.bench.model import Measured, ModelBenchConfig, measure_model
from pagecast.cli.bench.model_budget import QUICK_USERS, budget_of
from pagecast.cli.bench.model_data import FETCHED, chosen_data
from pagecast.cli.bench.model_plot import scaling_svg
from pagecast.cli.bench.model_rows import model_rows
from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.table import show_circumstances, show_rows
from pagecast.cli.exits import InputError
from pagecast.cli.logs import configure_logging
from pagecast.cli.output import Output
from pagecast.cli.output_files import check_folders, replacing
from pagecast.cli.settings import load_settings
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.benchmarks.tables import TABLES


@dataclass(frozen=True, kw_only=True)
class ModelBench:
    """The command's options, as given; the command's help says what None means."""

    quick: bool
    tables: str
    seeds: str | None
    minutes: float | None
    data: str | None
    jobs: int | None
    out: Path | None
    plot: Path | None
    state_dir: Path | None
    as_json: bool

    def run(self) -> None:
        """Measures and tells. Raises InputError that names the option at fault."""
        settings = load_settings(state_dir=self.state_dir)
        configure_logging(settings, level="error")
        output = Output(as_json=self.as_json)
        config = self._config(StatePaths(root=settings.state_dir))
        circumstances = Circumstances.now()
        measured = measure_model(config, circumstances.commit, output.console)
        rows = model_rows(measured.cells, published=config.data == FETCHED and not self.quick)
        self._tell(output, circumstances, config, measured, rows)
        if self.plot is not None:
            with replacing(self.plot) as file:
                file.write(scaling_svg(measured.cells))

    def _config(self, paths: StatePaths) -> ModelBenchConfig:
        check_folders(out=self.out, plot=self.plot)
        cores = len(os.sched_getaffinity(0))
        try:
            return ModelBenchConfig(
                paths=paths,
                folder=paths.root / BENCH_FOLDER,
                data=chosen_data(self.data, paths),
                tables=tuple(name for name in self.tables.split(",") if name) or tuple(TABLES),
                budget=budget_of(self.seeds, self.minutes, quick=self.quick),
                users_max=QUICK_USERS if self.quick else None,
                jobs=self.jobs or (cores if self.quick else 1),
                out=self.out,
            )
        except ValueError as error:
            raise InputError(str(error)) from error

    def _tell(
        self,
        output: Output,
        circumstances: Circumstances,
        config: ModelBenchConfig,
        measured: Measured,
        rows: list[Row],
    ) -> None:
        show_rows(output, rows)
        if self.quick:
            output.say(
                f"\nQuick: {QUICK_USERS} users, trainings of seconds, cells left out. These are "
                "not the real figures."
            )
        show_circumstances(output, circumstances)
        output.say(f"data {config.data}, split SHA-256 {measured.split_sha256}")
        output.document(
            {
                **circumstances.to_dict(),
                "quick": self.quick,
                "data": config.data,
                "split_sha256": measured.split_sha256,
                "rows": [row.to_dict() for row in rows],
            }
        )
