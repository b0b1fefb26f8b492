"""How far a decode step is from what this core could do at best."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pagecast.cli.bench.cpu import ONE_THREAD, left_alone, measured_core
from pagecast.cli.bench.job import Job, JobSpec
from pagecast.cli.bench.rows import Better, Row
from pagecast.cli.bench.serve.config import ServeBenchConfig
from pagecast.cli.bench.serve.machine_rates import MachineRates
from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.bench.serve.step_floor import StepWork
from pagecast.cli.bench.serve.world import GENRES, World
from pagecast.engine.bundles.manifest import DecodeWeights

FLOOR = "pagecast.cli.bench.jobs.floor"

REACH = {1: 4.0, 16: 8.0}
"""How many times its floor a step may take, by its pages."""

SECONDS_MAX = 600.0
"""A round takes some seconds."""


@dataclass(frozen=True, kw_only=True)
class MeasuredStep:
    """Steps of one form and size, and how fast their bytes can be read."""

    weights: DecodeWeights
    pages: int
    work: StepWork
    read_bytes_per_s: float
    step_ms: Sequence[float]
    """Of each round."""


def floor_rows(world: World, config: ServeBenchConfig, say: Callable[[str], None]) -> list[Row]:
    """Steps of half-done pages, in rows of a genre."""
    shape = PageShape()
    positions = config.prompt + shape.rows * (1 + shape.entities_per_row) // 2
    result = config.folder / "floor.json"
    spec = JobSpec(
        name="floor",
        python=Path(sys.executable),
        program=FLOOR,
        settings={
            "bundle": str(world.bundle),
            "pages": list(REACH),
            "positions": positions,
            "candidates": max(1, config.entities // GENRES),
            "rounds": config.rounds,
            "result": str(result),
        },
        core=measured_core(),
        log=config.folder / "floor.log",
        environment=ONE_THREAD,
    )
    say("decode steps, and what the core can do")
    with left_alone(spec.core), Job(spec) as job:
        job.wait(SECONDS_MAX)
    told = json.loads(result.read_text())
    return rows_of_floor(
        MachineRates(**told["rates"]),
        [
            MeasuredStep(
                weights=DecodeWeights(step["weights"]),
                pages=step["pages"],
                work=StepWork(**step["work"]),
                read_bytes_per_s=step["read_bytes_per_s"],
                step_ms=step["step_ms"],
            )
            for step in told["steps"]
        ],
        positions,
    )


def rows_of_floor(rates: MachineRates, steps: Sequence[MeasuredStep], positions: int) -> list[Row]:
    """The machine's rates, then each step beside its floor."""
    rows = [
        Row.alone("floor: fp32 products, GFLOP/s of one core", rates.fp32_ops_per_s / 1e9),
        Row.alone("floor: int8 products, GOP/s of one core", rates.int8_ops_per_s / 1e9),
        Row.alone("floor: memory read, GB/s", rates.read_bytes_per_s / 1e9),
        Row.alone("floor: memory copied, GB/s read and written", rates.copy_bytes_per_s / 1e9),
    ]
    for step in steps:
        floor_ms = step.work.floor_s(step.weights, rates, step.read_bytes_per_s) * 1000
        rows.append(
            Row.compared(
                f"decode step, {step.weights}, {step.pages} pages of {positions} positions, CPU ms",
                f"floor: {step.work.bytes / 1e6:.1f} MB at {step.read_bytes_per_s / 1e9:.0f} GB/s, "
                f"{step.work.ops / 1e6:.0f} million operations",
                median(step.step_ms),
                floor_ms,
                reach=REACH[step.pages],
                better=Better.LOWER,
            )
        )
    return rows
