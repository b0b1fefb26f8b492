"""`pagecast bench align` from options to tables; the command's own file is its options."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pagecast.cli.bench.align.cells import METRICS, align_cells, measure_cell
from pagecast.cli.bench.align.contenders import BASELINE, CONTENDERS
from pagecast.cli.bench.align.coverage import RUNS, Coverage, coverage
from pagecast.cli.bench.align.data import ArenaData, arena_data
from pagecast.cli.bench.align.lifts import Lift, lift
from pagecast.cli.bench.align.loop.bench import LoopOptions, run_loop
from pagecast.cli.bench.align.loop.config import LoopConfig
from pagecast.cli.bench.machine import Circumstances
from pagecast.cli.bench.model_budget import QUICK_USERS
from pagecast.cli.bench.model_cells import DoneCells
from pagecast.cli.bench.model_data import chosen_data
from pagecast.cli.bench.table import show_circumstances
from pagecast.cli.exits import InputError
from pagecast.cli.logs import configure_logging
from pagecast.cli.output import Output
from pagecast.cli.progress import progress_bar
from pagecast.cli.settings import load_settings
from pagecast.featurestore.reward import RewardConfig
from pagecast.featurestore.state import StatePaths
from pagecast.simulator.config import SimulatorConfig
from pagecast.trainer.benchmarks.cells import Cell, Figures
from pagecast.trainer.config import TrainConfig

CONTENDERS_TABLE, OFF_POLICY, LOOP = TABLES = "contenders", "off-policy", "loop"

SEEDS, MEMBERS, DAYS = "0,1,2,3,4", 200, 7

QUICK_SEEDS, QUICK_MEMBERS, QUICK_DAYS, QUICK_PASSES, QUICK_RUNS = "0", 20, 2, 4.0, 10

GENREC = (
    "GenRec told of +9.5 % clicks and +8.7 % transactions over its multi-stage pipeline, on people."
)


@dataclass(frozen=True, kw_only=True)
class AlignBench:
    """The command's options, as given; None is what the command's help says."""

    quick: bool
    tables: str | None
    contenders: str | None
    arms: str | None
    seeds: str | None
    members: int | None
    days: int | None
    passes: float | None
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
        tables, circumstances = self._tables(), Circumstances.now()
        wanted = self._cells() if CONTENDERS_TABLE in tables else []
        loop = self._loop() if LOOP in tables else None
        name = chosen_data(self.data, paths)
        data = arena_data(name, paths, QUICK_USERS if self.quick else None, output.console)
        facts = {
            "data": name,
            "data_sha256": data.people.sha256,
            "simulator_sha256": SimulatorConfig().sha256,
            "reward": " ".join(f"{k}={v:g}" for k, v in RewardConfig().table.items()),
        }
        told: dict[str, Any] = {}
        if CONTENDERS_TABLE in tables:
            done = DoneCells(self.out, {"commit": circumstances.commit, **facts})
            cells = measured(wanted, data, done, output)
            lifts = lifts_of(cells)
            show_lifts(output, lifts)
            told["cells"] = [{**cell.to_json(), **sums_of(figures)} for cell, figures in cells]
            told["rows"] = [one.to_dict() for one in lifts]
        if OFF_POLICY in tables:
            estimates = coverage(QUICK_RUNS if self.quick else RUNS)
            show_coverage(output, estimates)
            told["off_policy"] = [one.to_dict() for one in estimates]
        if loop is not None:
            told["loop"] = run_loop(loop, data, circumstances.commit, self.plot, output)
        if self.quick:
            output.say("\nQuick: few users, members and days. These are not the real figures.")
        show_circumstances(output, circumstances)
        output.say("".join(f"{name} {value}\n" for name, value in facts.items()).rstrip())
        output.document(
            {**circumstances.to_dict(), **facts, "simulator": True, "quick": self.quick, **told}
        )

    def _tables(self) -> Sequence[str]:
        """Raises InputError."""
        for option, path in (("--out", self.out), ("--plot", self.plot)):
            if path is not None and not path.resolve().parent.is_dir():
                raise InputError(f"{option}: {path.parent} is no folder", "make it first")
        names = TABLES if self.tables is None else tuple(self.tables.split(","))
        if unknown := [name for name in names if name not in TABLES]:
            raise InputError(f"--tables: {unknown[0]!r} is none of {', '.join(TABLES)}")
        return names

    def _loop(self) -> LoopConfig:
        """Raises InputError."""
        return LoopOptions(
            quick=self.quick,
            arms=self.arms,
            seeds=self.seeds,
            members=self.members,
            days=self.days,
            passes=self.passes,
            out=self.out,
        ).config()

    def _cells(self) -> list[Cell]:
        names = self.contenders.split("/") if self.contenders else list(CONTENDERS)
        seeds = self.seeds or (QUICK_SEEDS if self.quick else SEEDS)
        passes = QUICK_PASSES if self.quick else TrainConfig().epochs
        try:
            return align_cells(
                list(dict.fromkeys([BASELINE, *names])),
                [int(seed) for seed in seeds.split(",")],
                members=self.members or (QUICK_MEMBERS if self.quick else MEMBERS),
                days=self.days or (QUICK_DAYS if self.quick else DAYS),
                passes=passes if self.passes is None else self.passes,
            )
        except ValueError as error:
            raise InputError(f"--{error}") from error


def measured(
    wanted: Sequence[Cell], data: ArenaData, done: DoneCells, output: Output
) -> list[tuple[Cell, Figures]]:
    """Cells with their figures, of what was done before and what was not."""
    with progress_bar(output.console) as progress:
        task = progress.add_task("simulating", total=len(wanted), note="")
        for cell in wanted:
            progress.update(task, note=f"{cell.name}, seed {cell.seed}")
            if done.get(cell) is None:
                done.add(cell, measure_cell(cell, data))
            progress.advance(task)
    found = [(cell, done.get(cell)) for cell in wanted]
    return [(cell, figures) for cell, figures in found if figures is not None]


def lifts_of(cells: Sequence[tuple[Cell, Figures]]) -> list[Lift]:
    """Every contender beside the baseline, by every metric."""
    by_name: dict[str, list[Figures]] = {}
    for cell, figures in cells:
        by_name.setdefault(cell.name, []).append(figures)
    theirs = by_name.pop(BASELINE)
    return [
        lift(metric, (name, BASELINE), ours, theirs)
        for name, ours in by_name.items()
        for metric in METRICS
    ]


def sums_of(figures: Figures) -> dict[str, float]:
    """Of all members of a cell."""
    return {
        name: float(sum(values)) if not isinstance(values, int | float) else float(values)
        for name, values in figures.items()
    }


def show_lifts(output: Output, lifts: Sequence[Lift]) -> None:
    output.table(
        "Simulated members, per session",
        ("contender", "beside", "what", "ours", "theirs", "lift", "95 % interval"),
        [
            (
                one.contender,
                one.beside,
                one.metric,
                f"{one.ours:.3f}",
                f"{one.theirs:.3f}",
                "" if one.lift.mean is None else f"{one.lift.mean:+.1%}",
                ""
                if one.lift.low is None or one.lift.high is None
                else f"{one.lift.low:+.1%} to {one.lift.high:+.1%}",
            )
            for one in lifts
        ],
    )
    output.say(f"\nNobody was real: lifts are the simulator's. {GENREC}\n")


def show_coverage(output: Output, estimates: Sequence[Coverage]) -> None:
    output.table(
        "Off-policy estimates of a known truth",
        ("distance", "estimator", "inside", "bias", "effective pages", "warned", "inside if not"),
        [
            (
                f"{one.distance:g}",
                one.estimator,
                f"{one.inside:.0%}",
                f"{one.bias:+.3f}",
                f"{one.effective:,.0f}",
                f"{one.warned:.0%}",
                "" if one.inside_unwarned is None else f"{one.inside_unwarned:.0%}",
            )
            for one in estimates
        ],
    )
