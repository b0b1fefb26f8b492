"""The loop as a table of `pagecast bench align`: from options to output."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pagecast.cli.bench.align.data import ArenaData
from pagecast.cli.bench.align.loop.config import MULTI_STAGE, LoopConfig
from pagecast.cli.bench.align.loop.measure import measure_loop
from pagecast.cli.bench.align.loop.plot import loop_svg
from pagecast.cli.bench.align.loop.show import show_loop
from pagecast.cli.bench.align.loop.summary import summaries
from pagecast.cli.bench.align.telling import telling
from pagecast.cli.exits import InputError
from pagecast.cli.output import Output
from pagecast.trainer.config import TrainConfig

QUICK_ARMS, QUICK_MEMBERS, QUICK_DAYS, QUICK_PASSES = (MULTI_STAGE, "greedy"), 20, 3, 4.0


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """Options as given; None means the default of `LoopConfig`, or of a quick run."""

    quick: bool
    arms: str | None
    """Names separated by slashes."""
    seeds: tuple[int, ...] | None
    members: int | None
    days: int | None
    passes: float | None
    out: Path | None
    """The whole bench's file; the loop keeps its work in a folder beside it."""

    def config(self) -> LoopConfig:
        """Raises InputError that names the option."""
        quick, default, train = self.quick, LoopConfig(), TrainConfig()
        arms = QUICK_ARMS if quick else default.arms
        if self.arms:
            arms = tuple(dict.fromkeys(self.arms.split("/")))
        passes = self.passes or (QUICK_PASSES if quick else train.epochs)
        try:
            return LoopConfig(
                arms=arms,
                seeds=self.seeds or default.seeds,
                members=self.members or (QUICK_MEMBERS if quick else default.members),
                days=self.days or (QUICK_DAYS if quick else default.days),
                train=replace(train, epochs=passes),
                folder=None if self.out is None else self.out.with_suffix(".loop"),
            )
        except ValueError as error:
            raise InputError(f"--{error}") from error


def run_loop(
    config: LoopConfig, data: ArenaData, commit: str, plot: Path | None, output: Output
) -> dict[str, Any]:
    """Measures, shows and plots; returns the loop's part of the JSON document."""
    with telling(output.console, "the closed loop", len(config.seeds) * len(config.arms)) as told:
        rows = measure_loop(config, data, commit, told, told.begin)
    arms = summaries(rows)
    show_loop(output, arms)
    if plot is not None:
        plot.write_text(loop_svg(rows), "utf-8")
    return {
        "config": config.to_dict(),
        "days": [row.to_dict() for row in rows],
        "arms": [one.to_dict() for one in arms],
    }
