"""The table of `pagecast bench serve`."""

import asyncio
import shutil
from collections.abc import Callable
from itertools import product, zip_longest
from statistics import median

from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.serve.alone import Timed, Turn, our_turn, peer_turn, take_turns
from pagecast.cli.bench.serve.config import HYBRID_K, WAYS, ServeBenchConfig
from pagecast.cli.bench.serve.load import PageShape
from pagecast.cli.bench.serve.masks import measure_masks
from pagecast.cli.bench.serve.peers import PlainOnnx, TorchEager, output_table
from pagecast.cli.bench.serve.served import served_rows
from pagecast.cli.bench.serve.steps import measure_steps
from pagecast.cli.bench.serve.swaps import swap_rows
from pagecast.cli.bench.serve.world import START_MS, USER, World, build_world
from pagecast.engine.bundle import load_bundle
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.graph import EngineConfig
from pagecast.engine.manifest import DecodeWeights
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

TORCH, ONNX = "torch eager, KV cache, full head", "onnxruntime, plain export, full head"

REACH = {(TORCH, "exact"): 10, (ONNX, "exact"): 5, (TORCH, "hybrid"): 25, (ONNX, "hybrid"): 15}
"""How many times faster a page should be with 8-bit weights."""


def measure_serve(config: ServeBenchConfig, say: Callable[[str], None]) -> list[Row]:
    """All rows of the table."""
    folder = config.folder / "serve"
    shutil.rmtree(folder, ignore_errors=True)
    say("a catalog and a model of random weights")
    world = build_world(folder, config.entities, config.prompt - 2)
    say("pages one at a time")
    rows = _alone(world, config.rounds)
    rows += measure_masks(config.mask_entities, config.rounds, say)
    if config.step_entities:
        rows += measure_steps(config.folder, config.step_entities, config.rounds, say)
    say("pages through gRPC")
    rows += asyncio.run(served_rows(world, config, say))
    return rows + (asyncio.run(swap_rows(world, config, say)) if config.swaps else [])


def _alone(world: World, rounds: int) -> list[Row]:
    """Peers are fed the embeddings of the exact form; those of the other are the same."""
    forms = {
        weights: Model(
            load_bundle(world.bundle, EngineConfig(decode_weights=weights)), world.snapshot
        )
        for weights in DecodeWeights
    }
    model = forms[DecodeWeights.FP32]
    shape = PageShape()
    facts = RequestFacts(at_ms=START_MS, rows=shape.rows, entities_per_row=shape.entities_per_row)
    rules = compile_rules(CompiledCatalog(world.snapshot), facts, ())
    store = OnlineFeatures.open(world.paths)
    history = store.read_history(USER)
    store.close()
    half = RequestHalf(at_ms=START_MS, device="tv")
    prompt = build_prompt(history, Profile(), half, catalog=world.snapshot)
    turns: dict[str, Turn] = {}
    for weights, form in forms.items():
        decoder = SlotDecoder(form.bundle.decode, form.bundle.manifest.model, slots=1)
        batch = PageBatch(decoder, PrefixCache(0))
        for way, exact_entities in (("exact", shape.entities_per_row), ("hybrid", HYBRID_K)):
            options = DecodeOptions(exact_entities=exact_entities)
            turns[f"{way} {weights}"] = our_turn(form, batch, prompt, rules, options)
    torch_model, table = world.model(), output_table(model)
    turns[TORCH] = peer_turn(TorchEager(torch_model, table), model, prompt, rules)
    turns[ONNX] = peer_turn(PlainOnnx(torch_model, table), model, prompt, rules)
    return rows_alone(take_turns(turns, rounds))


def rows_alone(timed: dict[str, Timed]) -> list[Row]:
    """Each way of ours beside each peer, then how equal their pages are.

    A page of random weights says little about 8 bits: what follows one other choice is another page
    (`bench model --tables int8` asks a trained model).
    """
    rows = []
    for weights, (way, name) in product(DecodeWeights, WAYS.items()):
        for peer in (TORCH, ONNX):
            ours, theirs = timed[f"{way} {weights}"].page_ms, timed[peer].page_ms
            times = median(b / a for a, b in zip(ours, theirs, strict=True))
            reach = REACH[peer, way] if weights is DecodeWeights.INT8 else None
            rows.append(
                Row(
                    what=f"whole page, {name} {weights}, CPU ms",
                    beside=peer,
                    ours=median(ours),
                    theirs=median(theirs),
                    ratio=times,
                    reach=reach,
                    reached=None if reach is None else times >= reach,
                )
            )
    exact = timed[f"exact {DecodeWeights.FP32}"]
    what = f"share of the exact page equal token by token ({exact.near_ties} near ties)"
    for other in (TORCH, ONNX, f"exact {DecodeWeights.INT8}"):
        pairs = zip_longest(exact.placed, timed[other].placed)
        same = sum(a == b for a, b in pairs) / len(exact.placed)
        rows.append(Row.compared(what, other, same, 1.0))
    return rows
