"""Rows of what another provider computes differently from the CPU, from the same bundle."""

from itertools import zip_longest

import numpy as np

from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.serve.alone import Timed, our_turn
from pagecast.cli.bench.serve.asked import asked_page
from pagecast.cli.bench.serve.config import ServeBenchConfig
from pagecast.cli.bench.serve.world import World
from pagecast.engine.batching.page_batch import PageBatch
from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.checks import CANARY_TOLERANCE
from pagecast.engine.bundles.manifest import DecodeWeights
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.graph import EngineConfig, FloatArray
from pagecast.engine.model import Model
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.page_rules import PageRules

STEPS = 16
"""Single tokens after the prompt whose hidden states are compared as well."""

EVERY_ENTITY = 40
"""Entities of a row decoded one by one: as many as a row may have, so the page is exact."""


def parity_rows(world: World, config: ServeBenchConfig) -> list[Row]:
    """Each form of the weights on `config.provider` beside the CPU."""
    prompt, rules = asked_page(world)
    rows = []
    for weights in DecodeWeights:
        cpu = Model(load_bundle(world.bundle, EngineConfig(decode_weights=weights)), world.snapshot)
        other = Model(load_bundle(world.bundle, config.runs(weights)), world.snapshot)
        rows += rows_of_parity(f"{config.provider} {weights}", other, cpu, prompt, rules)
    return rows


def rows_of_parity(
    name: str, other: Model, cpu: Model, prompt: Prompt, rules: PageRules
) -> list[Row]:
    """How far hidden states are apart, and how equal the exact page is, token by token."""
    difference = float(np.abs(_hidden(other, prompt) - _hidden(cpu, prompt)).max())
    theirs, ours = _page(cpu, prompt, rules), _page(other, prompt, rules)
    pairs = list(zip_longest(ours.placed, theirs.placed))
    return [
        Row(
            what=f"largest difference of a hidden state, {name}",
            beside="cpu",
            ours=difference,
            reach=CANARY_TOLERANCE,
            reached=difference <= CANARY_TOLERANCE,
        ),
        Row.compared(
            f"share of the exact page equal token by token, {name} ({theirs.near_ties} near ties)",
            "cpu",
            sum(a == b for a, b in pairs) / len(pairs),
            1.0,
        ),
    ]


def _hidden(model: Model, prompt: Prompt) -> FloatArray:
    """Hidden states [T, O] after the prompt's positions, fed in chunks, and single tokens."""
    decoder = model.bundle.decoder(slots=1)
    chunks = decoder.feed(0, tokens_of(model, encode(model, prompt)))
    tokens_SD = model.entities.input_ND[:STEPS]
    return np.concatenate([chunks, *(decoder.step([0], token_D[None]) for token_D in tokens_SD)])


def _page(model: Model, prompt: Prompt, rules: PageRules) -> Timed:
    decoder = model.bundle.decoder(slots=1)
    timed = Timed()
    options = DecodeOptions(exact_entities=EVERY_ENTITY)
    our_turn(model, PageBatch(decoder, PrefixCache(0)), prompt, rules, options)(timed)
    return timed
