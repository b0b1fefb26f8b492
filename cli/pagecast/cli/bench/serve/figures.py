"""Rows of whole pages one at a time, beside their peers."""

from collections.abc import Callable
from itertools import product, zip_longest
from statistics import median

from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.serve.alone import Timed, Turn, our_turn, peer_turn, take_turns
from pagecast.cli.bench.serve.asked import asked_page, clock_of
from pagecast.cli.bench.serve.config import HYBRID_K, WAYS, ServeBenchConfig
from pagecast.cli.bench.serve.generate import generate_turn, is_installed
from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.bench.serve.peers import PlainOnnx, TorchEager, output_table
from pagecast.cli.bench.serve.world import World
from pagecast.engine.batching.page_batch import PageBatch
from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.manifest import DecodeWeights
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.model import Model

HF = "HF generate(), KV cache, full head"
TORCH, ONNX = "torch eager, KV cache, full head", "onnxruntime, plain export, full head"

REACH = {
    HF: {"exact": 20, "hybrid": 50},
    TORCH: {"exact": 10, "hybrid": 25},
    ONNX: {"exact": 5, "hybrid": 15},
}
"""How many times faster a page should be with 8-bit weights."""


def alone_rows(world: World, config: ServeBenchConfig, say: Callable[[str], None]) -> list[Row]:
    """A page at a time, ours in both forms and the peers; `HF` if it is installed.

    Peers are fed the embeddings of the exact form; those of the other are the same."""
    forms = {
        weights: Model(load_bundle(world.bundle, config.runs(weights)), world.snapshot)
        for weights in DecodeWeights
    }
    model = forms[DecodeWeights.FP32]
    prompt, rules = asked_page(world)
    unit, clock = clock_of(config.provider)
    turns: dict[str, Turn] = {}
    for weights, form in forms.items():
        batch = PageBatch(form.bundle.decoder(slots=1), PrefixCache(0))
        for way, exact_entities in (("exact", PageShape().entities_per_row), ("hybrid", HYBRID_K)):
            options = DecodeOptions(exact_entities=exact_entities)
            turns[f"{way} {weights}"] = our_turn(form, batch, prompt, rules, options, clock)
    torch_model, table = world.model(), output_table(model)
    turns[TORCH] = peer_turn(TorchEager(torch_model, table), model, prompt, rules, clock)
    turns[ONNX] = peer_turn(PlainOnnx(torch_model, table), model, prompt, rules, clock)
    if is_installed():
        turns[HF] = generate_turn(torch_model, model, prompt, rules, clock)
    else:
        say("without HF generate(): it needs transformers (pip install 'pagecast[bench]')")
    return rows_alone(take_turns(turns, config.rounds), unit)


def rows_alone(timed: dict[str, Timed], unit: str = "CPU ms") -> list[Row]:
    """Each way of ours beside each peer, then how equal their pages are.

    A page by random weights says little about 8 bits: after one different choice it is another page
    (`bench model --tables decoding` asks a trained model).
    """
    rows = []
    peers = [peer for peer in REACH if peer in timed]
    for weights, (way, name) in product(DecodeWeights, WAYS.items()):
        for peer in peers:
            ours, theirs = timed[f"{way} {weights}"].page_ms, timed[peer].page_ms
            times = median(b / a for a, b in zip(ours, theirs, strict=True))
            reach = REACH[peer][way] if weights is DecodeWeights.INT8 else None
            rows.append(
                Row(
                    what=f"whole page, {name} {weights}, {unit}",
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
    for other in (*peers, f"exact {DecodeWeights.INT8}"):
        pairs = zip_longest(exact.placed, timed[other].placed)
        same = sum(a == b for a, b in pairs) / len(exact.placed)
        rows.append(Row.compared(what, other, same, 1.0))
    return rows
