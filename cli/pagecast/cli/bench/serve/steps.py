"""What a decode step costs as the catalog grows: all candidates at every entity, or a shortlist.

Letters in names: N entities.
"""

import gc
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.serve.alone import Timed, our_turn, take_turns
from pagecast.cli.bench.serve.mask_world import (
    ENTITIES_PER_ROW,
    ROWS,
    mask_snapshot,
    plain_request,
)
from pagecast.cli.bench.serve.world import START_MS, build_world
from pagecast.engine.batching.page_batch import PageBatch
from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.model import Model
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.prompt.prompt import RequestHalf, build_prompt
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import compile_rules

SHORTLIST = 4096
"""Candidates that compete in a row."""

STEPS = ROWS * (1 + ENTITIES_PER_ROW)
"""Steps of an exact page: each of its tokens is fed once."""

GROWTH_REACH = 3.0
"""How much a step with the most entities may cost, in steps with the fewest."""

VOCABULARY_ENTITIES = 1000
"""Entities the model knows by their ids; all others have only metadata. A table of a million ids
would be gigabytes on disk, and no step looks at it."""

HEADS = {"as wide as the model": 0, "projected to 64": 64}
"""The output head, and its `ModelConfig.output_dim`."""


def measure_steps(
    folder: Path, sizes: Sequence[int], rounds: int, say: Callable[[str], None]
) -> list[Row]:
    """Rows of each width of the head: milliseconds of a step at each size, both ways, and how a
    step with a shortlist grows from the smallest catalog to the largest."""
    rows: list[Row] = []
    for head, width in HEADS.items():
        place = folder / f"steps-{width}"
        shutil.rmtree(place, ignore_errors=True)
        bundle = load_bundle(build_world(place, VOCABULARY_ENTITIES, 1, width).bundle)
        steps_ms: list[float] = []
        for entities in sorted(sizes):
            say(f"steps at {entities:,} entities, head {head}")
            all_ms, short_ms = _step_ms(bundle, entities, rounds)
            what = f"decode step, {entities:,} entities, head {head}, CPU ms"
            steps_ms.append(short_ms)
            rows.append(
                Row(
                    what=what,
                    beside="all candidates at every entity",
                    ours=short_ms,
                    theirs=all_ms,
                    ratio=all_ms / short_ms,
                )
            )
            gc.collect()
        rows.append(_growth(head, sorted(sizes), steps_ms))
    return rows


def _growth(head: str, sizes: Sequence[int], steps_ms: Sequence[float]) -> Row:
    growth = steps_ms[-1] / steps_ms[0]
    return Row(
        what=f"decode step, head {head}, {sizes[-1]:,} entities beside {sizes[0]:,}, times",
        beside=f"{GROWTH_REACH:g} times",
        ours=growth,
        reach=GROWTH_REACH,
        reached=growth <= GROWTH_REACH,
    )


def _step_ms(bundle: Bundle, entities: int, rounds: int) -> tuple[float, float]:
    """Exact pages with their rules' masks, but without their prompts: two positions."""
    snapshot = mask_snapshot(entities)
    model = Model(bundle, snapshot)
    rules = compile_rules(CompiledCatalog(snapshot), plain_request(), ())
    prompt = build_prompt(
        None, Profile(), RequestHalf(at_ms=START_MS, device="tv"), catalog=snapshot
    )
    batch = PageBatch(bundle.decoder(slots=1), PrefixCache(0))
    exact = DecodeOptions(exact_entities=ENTITIES_PER_ROW)
    ways = {"all": exact, "shortlist": replace(exact, shortlist=SHORTLIST)}
    timed: dict[str, Timed] = take_turns(
        {way: our_turn(model, batch, prompt, rules, options) for way, options in ways.items()},
        rounds,
    )
    all_ms, short_ms = (median(timed[way].page_ms) / STEPS for way in ways)
    return all_ms, short_ms
