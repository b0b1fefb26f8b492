"""The table of `pagecast bench serve`."""

import asyncio
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc

from pagecast.cli.bench.cpu import measured_core
from pagecast.cli.bench.job import Job, JobSpec
from pagecast.cli.bench.rows import Better, Row
from pagecast.cli.bench.serve.alone import Timed, Turn, our_turn, peer_turn, take_turns
from pagecast.cli.bench.serve.load import (
    Loaded,
    PageShape,
    channel_to,
    closed_loop,
    first_row_ms,
    quantile,
)
from pagecast.cli.bench.serve.masks import measure_masks
from pagecast.cli.bench.serve.peers import PlainOnnx, TorchEager, output_table
from pagecast.cli.bench.serve.world import START_MS, USER, World, build_world, remember
from pagecast.engine.bundle import load_bundle
from pagecast.engine.model import Model
from pagecast.engine.page_batch import PageBatch
from pagecast.engine.prefix_cache import PrefixCache
from pagecast.engine.slot_decoder import SlotDecoder
from pagecast.featurestore.history import Profile
from pagecast.featurestore.online import OnlineFeatures
from pagecast.featurestore.prompt import RequestHalf, build_prompt
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.page_rules import compile_rules

HYBRID_K = 3
"""Entities of a row decoded one by one in hybrid decoding."""

TORCH, ONNX = "torch eager, KV cache, full head", "onnxruntime, plain export, full head"

REACH = {(TORCH, "exact"): 10, (ONNX, "exact"): 5, (TORCH, "hybrid"): 25, (ONNX, "hybrid"): 15}
"""How many times faster a page should be; set for 8-bit weights, which are not built yet."""

FALL_MIN = 0.85
"""Pages per CPU-second at 64 clients by those at one."""


@dataclass(frozen=True, kw_only=True)
class ServeBenchConfig:
    """How much is measured. Raises ValueError."""

    folder: Path
    entities: int
    prompt: int
    """Positions: the profile, the steps and the request."""
    rounds: int
    seconds: float
    clients: Sequence[int]
    mask_entities: Sequence[int] = ()
    """Sizes of the catalogs whose masks are measured."""

    def __post_init__(self) -> None:
        if min(self.mask_entities, default=1000) < 1000:
            raise ValueError("masks are measured for at least 1,000 entities")
        if self.entities < 1000 or self.prompt < 3 or self.rounds < 1:
            raise ValueError("at least 1,000 entities, a prompt of 3 positions and one round")


def measure_serve(config: ServeBenchConfig, say: Callable[[str], None]) -> list[Row]:
    """All rows of the table."""
    folder = config.folder / "serve"
    shutil.rmtree(folder, ignore_errors=True)
    say("a catalog and a model of random weights")
    world = build_world(folder, config.entities, config.prompt - 2)
    say("pages one at a time")
    rows = _alone(world, config.rounds)
    rows += measure_masks(config.mask_entities, config.rounds, say)
    say("pages through gRPC")
    return rows + asyncio.run(_served(world, config, say))


def _alone(world: World, rounds: int) -> list[Row]:
    model = Model(load_bundle(world.bundle), world.snapshot)
    shape = PageShape()
    facts = RequestFacts(at_ms=START_MS, rows=shape.rows, entities_per_row=shape.entities_per_row)
    rules = compile_rules(CompiledCatalog(world.snapshot), facts, ())
    store = OnlineFeatures.open(world.paths)
    history = store.read_history(USER)
    store.close()
    half = RequestHalf(at_ms=START_MS, device="tv")
    prompt = build_prompt(history, Profile(), half, catalog=world.snapshot)
    decoder = SlotDecoder(model.bundle.decode, model.bundle.manifest.model, slots=1)
    batch = PageBatch(decoder, PrefixCache(0))
    torch_model, table = world.model(), output_table(model)
    turns: dict[str, Turn] = {
        "exact": our_turn(model, batch, prompt, rules, shape.entities_per_row),
        "hybrid": our_turn(model, batch, prompt, rules, HYBRID_K),
        TORCH: peer_turn(TorchEager(torch_model, table), model, prompt, rules),
        ONNX: peer_turn(PlainOnnx(torch_model, table), model, prompt, rules),
    }
    return rows_alone(take_turns(turns, rounds))


def rows_alone(timed: dict[str, Timed]) -> list[Row]:
    """Each way of ours beside each peer."""
    rows = []
    for way, name in (
        ("exact", "whole page, exact fp32, CPU ms"),
        ("hybrid", f"whole page, hybrid k={HYBRID_K} fp32, CPU ms"),
    ):
        for peer in (TORCH, ONNX):
            ours, theirs = timed[way].page_ms, timed[peer].page_ms
            times = median(b / a for a, b in zip(ours, theirs, strict=True))
            rows.append(
                Row(
                    what=name,
                    beside=peer,
                    ours=median(ours),
                    theirs=median(theirs),
                    ratio=times,
                    reach=REACH[peer, way],
                    reached=times >= REACH[peer, way],
                )
            )
    for peer in (TORCH, ONNX):
        pairs = zip(timed["exact"].placed, timed[peer].placed, strict=True)
        same = sum(a == b for a, b in pairs) / len(timed[peer].placed)
        what = (
            f"share of the exact page equal token by token ({timed['exact'].near_ties} near ties)"
        )
        rows.append(Row.compared(what, peer, same, 1.0))
    return rows


async def _served(world: World, config: ServeBenchConfig, say: Callable[[str], None]) -> list[Row]:
    ready_file = config.folder / "serve.ready"
    ready_file.unlink(missing_ok=True)
    spec = JobSpec(
        name="server",
        python=Path(sys.executable),
        program="pagecast.cli.bench.jobs.serve",
        settings={"state": str(world.paths.root), "ready_file": str(ready_file)},
        core=measured_core(),
        log=config.folder / "serve.log",
    )
    with Job(spec) as job:
        async with channel_to(ready_file, job) as channel:
            rows = await _first_rows(world, config, channel)
            for name, exact_entities in (("exact", 10), (f"hybrid k={HYBRID_K}", HYBRID_K)):
                shape = PageShape(exact_entities=exact_entities)
                loads = {}
                for clients in config.clients:
                    say(f"{clients} clients, {name}")
                    loads[clients] = await closed_loop(channel, job, clients, config.seconds, shape)
                rows += rows_of_loads(name, loads)
    return rows


async def _first_rows(
    world: World, config: ServeBenchConfig, channel: grpc.aio.Channel
) -> list[Row]:
    steps, shape = config.prompt - 2, PageShape(rows=1)

    def cold(number: int) -> str:
        remember(world, f"cold{number}", steps)
        return f"cold{number}"

    def unchanged(_number: int) -> str:
        return "cold0"

    def one_event(number: int) -> str:
        remember(world, "cold0", steps + 1 + number)
        return "cold0"

    rows = []
    for name, before, reach in (
        ("cold", cold, None),
        ("history unchanged", unchanged, 4.0),
        ("one new event", one_event, 5.0),
    ):
        ms = await first_row_ms(channel, shape, before, max(5, config.rounds))
        reached = None if reach is None else ms <= reach
        rows.append(
            Row(
                what=f"time to first row through gRPC, {name}, ms",
                beside="",
                ours=ms,
                reach=reach,
                reached=reached,
            )
        )
    return rows


def rows_of_loads(name: str, loads: dict[int, Loaded]) -> list[Row]:
    """Each closed loop beside that of the fewest clients."""
    rows = []
    one = loads[min(loads)]
    for clients, loaded in loads.items():
        at = f"{name}, {clients} clients"
        rows.append(
            Row.compared(
                f"pages/CPU-s, {at}",
                f"{min(loads)} client",
                loaded.pages_per_cpu_second,
                one.pages_per_cpu_second,
                reach=FALL_MIN if clients == 64 else None,
            )
        )
        rows += [
            Row.compared(
                f"first row p{share * 100:.0f} ms, {at}",
                f"{min(loads)} client",
                quantile(loaded.first_row_ms, share),
                quantile(one.first_row_ms, share),
                reach=8.0 if (clients, share) == (16, 0.5) else None,
                better=Better.LOWER,
            )
            for share in (0.5, 0.99)
        ]
        if loaded.unserved:
            rows.append(Row.alone(f"refused or too late, {at}", loaded.unserved))
    return rows
