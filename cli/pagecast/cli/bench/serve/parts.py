"""The parts of `pagecast bench serve`, each with its rows of the table."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.serve.changed import changed_rows
from pagecast.cli.bench.serve.config import TABLES, ServeBenchConfig
from pagecast.cli.bench.serve.figures import alone_rows
from pagecast.cli.bench.serve.floor import floor_rows
from pagecast.cli.bench.serve.masks import measure_masks
from pagecast.cli.bench.serve.overload import overload_rows
from pagecast.cli.bench.serve.parity import parity_rows
from pagecast.cli.bench.serve.rates import rate_rows
from pagecast.cli.bench.serve.served import served_rows
from pagecast.cli.bench.serve.steps import measure_steps
from pagecast.cli.bench.serve.swaps import swap_rows
from pagecast.cli.bench.serve.transport import transport_rows
from pagecast.cli.bench.serve.workers import worker_rows
from pagecast.cli.bench.serve.world import World, build_world
from pagecast.engine.providers import Provider


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One run."""

    config: ServeBenchConfig
    say: Callable[[str], None]

    @cached_property
    def world(self) -> World:
        """Made when a part first asks for it; some need none."""
        folder = self.config.folder / "serve"
        shutil.rmtree(folder, ignore_errors=True)
        self.say("a catalog and a model of random weights")
        return build_world(folder, self.config.entities, self.config.prompt - 2)


def _alone(bench: Bench) -> list[Row]:
    world = bench.world
    bench.say("pages one at a time")
    rows = alone_rows(world, bench.config, bench.say)
    if bench.config.provider is not Provider.CPU:
        bench.say(f"parity of {bench.config.provider} with the CPU")
        rows += parity_rows(world, bench.config)
    return rows


def _masks(bench: Bench) -> list[Row]:
    return measure_masks(bench.config.mask_entities, bench.config.rounds, bench.say)


def _steps(bench: Bench) -> list[Row]:
    config = bench.config
    if not config.step_entities:
        return []
    return measure_steps(config.folder, config.step_entities, config.rounds, bench.say)


def _grpc(bench: Bench) -> list[Row]:
    world = bench.world
    bench.say("pages through gRPC")
    return asyncio.run(served_rows(world, bench.config, bench.say))


def _swaps(bench: Bench) -> list[Row]:
    if not bench.config.swaps:
        return []
    return asyncio.run(swap_rows(bench.world, bench.config, bench.say))


PARTS: Mapping[str, Callable[[Bench], list[Row]]] = {
    "alone": _alone,
    "masks": _masks,
    "steps": _steps,
    "grpc": _grpc,
    "open-loop": lambda bench: asyncio.run(rate_rows(bench.world, bench.config, bench.say)),
    "overload": lambda bench: asyncio.run(overload_rows(bench.world, bench.config, bench.say)),
    "transport": lambda bench: asyncio.run(transport_rows(bench.world, bench.config, bench.say)),
    "floor": lambda bench: floor_rows(bench.world, bench.config, bench.say),
    "workers": lambda bench: asyncio.run(worker_rows(bench.world, bench.config, bench.say)),
    "events": lambda bench: changed_rows(bench.world, bench.config, bench.say),
    "swaps": _swaps,
}
"""By the names that `--tables` knows."""


def measure_serve(config: ServeBenchConfig, say: Callable[[str], None]) -> list[Row]:
    """The rows of the chosen tables, in their order in `TABLES`."""
    bench = Bench(config=config, say=say)
    return [row for name in TABLES if name in config.tables for row in PARTS[name](bench)]
