"""A cell of `pagecast bench align`: one contender, trained and visited, with one seed."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pagecast.cli.bench.align.contenders import CONTENDERS, Training
from pagecast.cli.bench.align.data import ArenaData
from pagecast.cli.bench.align.platform import ArenaPlatform
from pagecast.simulator.report import Report, Tally
from pagecast.simulator.run import simulate
from pagecast.simulator.run_config import RunConfig
from pagecast.trainer.benchmarks.cells import Cell, Figures

TABLE = "align"

METRICS = ("reward", "clicks", "completed")
"""Per session: page reward, clicks, completed plays."""


def align_cells(
    names: Sequence[str], seeds: Sequence[int], *, members: int, days: int, passes: float
) -> list[Cell]:
    """Raises ValueError for a contender that is none."""
    if unknown := [name for name in names if name not in CONTENDERS]:
        raise ValueError(f"contenders: {unknown[0]!r} is none of {', '.join(CONTENDERS)}")
    settings = {"members": members, "days": days, "passes": passes}
    return [
        Cell(table=TABLE, name=name, settings=settings, seed=seed)
        for seed in seeds
        for name in names
    ]


def measure_cell(cell: Cell, data: ArenaData) -> Figures:
    """Totals by member, the same members in the same order whoever the contender is."""
    told = cell.settings
    with tempfile.TemporaryDirectory(prefix="arena-") as folder:
        training = Training(
            snapshot=data.snapshot,
            seed=cell.seed,
            passes=float(str(told["passes"])),
            folder=Path(folder),
        )
        bundle = CONTENDERS[cell.name](training)
        platform = ArenaPlatform(bundle, data.snapshot.catalog, data.counts, data.start_ms)
        config = RunConfig(
            members=int(str(told["members"])),
            days=int(str(told["days"])),
            seed=cell.seed,
            start_ms=data.start_ms,
            readers=1,
            reaction_members=0,
        )
        report = simulate(data.people, config, platform, Path(folder))
    return _figures(report, config)


def _figures(report: Report, config: RunConfig) -> Figures:
    prefix = f"{config.prefix}-{config.seed}"
    tallies = [
        report.tallies.of_member.get(f"{prefix}-{number}", Tally())
        for number in range(config.members)
    ]
    return {
        name: [float(getattr(tally, name)) for tally in tallies]
        for name in ("sessions", "pages", *METRICS)
    }
