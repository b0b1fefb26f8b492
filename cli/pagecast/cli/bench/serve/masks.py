"""What rules cost a page, at 10,000 to a million entities.

Letters in names: N entities.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from pagecast.cli.bench.rows import Better, Row
from pagecast.cli.bench.serve.mask_ways import MaskCost, by_bitsets, by_bools
from pagecast.cli.bench.serve.mask_world import (
    full_request,
    mask_snapshot,
    plain_request,
    ranking,
)
from pagecast.rules import bitsets
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.eligibility import known_indices, offered_entities

STEP_US = 2500
"""A decode step of one page at d 256 and 6 layers, fp32, on the machine of benchmarks/serve.md."""

REACH_US = {100_000: STEP_US / 10}
"""What masks may cost a step: a tenth of it."""

APPLIED_ROUNDS = 50
"""Repetitions of work that takes microseconds."""

Way = Callable[[], MaskCost]


def measure_masks(sizes: Sequence[int], rounds: int, say: Callable[[str], None]) -> list[Row]:
    """The table's rows for each size; ways take turns, and figures are medians."""
    rows: list[Row] = []
    for entities in sizes:
        say(f"masks of {entities:,} entities")
        catalog = CompiledCatalog(mask_snapshot(entities))
        rows += _rows(entities, _take_turns(ways_of(catalog), max(rounds, 5)))
        rows += _applied(entities)
    return rows


def ways_of(catalog: CompiledCatalog) -> dict[str, Way]:
    """A page's masks: ours, ours with everything a request may ask for, and arrays of bool."""
    entities = len(catalog.snapshot.entities)
    plain, full, popular = plain_request(), full_request(entities), ranking(entities)
    scores_N = np.random.default_rng(1).standard_normal(entities, np.float32)
    offered_N = bitsets.unpack(offered_entities(catalog, plain), entities)
    watched = known_indices(catalog.snapshot, plain.watched)
    return {
        "plain": lambda: by_bitsets(catalog, plain, popular, scores_N),
        "full": lambda: by_bitsets(catalog, full, popular, scores_N),
        "bool": lambda: by_bools(catalog, offered_N, watched, scores_N),
    }


def _take_turns(ways: dict[str, Way], rounds: int) -> dict[str, list[MaskCost]]:
    """The first round warms up what is kept per catalog, and is not counted."""
    costs: dict[str, list[MaskCost]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            costs[name].append(way())
    return {name: each[1:] for name, each in costs.items()}


def _rows(entities: int, costs: dict[str, list[MaskCost]]) -> list[Row]:
    at = f"{entities:,} entities"
    ours, theirs = (median(c.a_step_us for c in costs[way]) for way in ("plain", "bool"))
    full = median(c.a_step_us for c in costs["full"])
    reach = REACH_US.get(entities)
    rows = [
        Row.compared(
            f"mask cost, {at}, us a step", "arrays of bool", ours, theirs, better=Better.LOWER
        ),
        Row(
            what=f"mask cost with sources, caps and candidates, {at}, us a step",
            beside="" if reach is None else f"a tenth of a step of {STEP_US} us",
            ours=full,
            reach=reach,
            reached=None if reach is None else full <= reach,
        ),
    ]
    for part, take in (
        ("compile a request", lambda c: c.compile_us),
        ("all rows of a page", lambda c: c.rows_us),
        ("all steps of a page", lambda c: c.steps_us),
    ):
        ours, theirs = (median(map(take, costs[way])) for way in ("plain", "bool"))
        what = f"mask cost, {part}, {at}, us"
        rows.append(Row.compared(what, "arrays of bool", ours, theirs, better=Better.LOWER))
    return rows


def _applied(entities: int) -> list[Row]:
    """Closes twenty positions among a row's logits, with every entity as its candidate."""
    random = np.random.default_rng(2)
    logits_N = random.standard_normal(entities, np.float32)
    closed = random.choice(entities, 20, replace=False).tolist()
    closed_N = np.zeros(entities, bool)
    closed_N[closed] = True
    open_N, added_N = ~closed_N, np.where(closed_N, np.float32(-np.inf), np.float32(0))

    def by_position() -> None:
        logits_N[closed] = -np.inf

    ways: dict[str, Callable[[], object]] = {
        "np.where on bool": lambda: np.where(open_N, logits_N, -np.inf),
        "np.copyto where bool": lambda: np.copyto(logits_N, -np.inf, where=closed_N),
        "adding 0 or -inf": lambda: np.add(logits_N, added_N, out=logits_N),
    }
    ours = _median_us(by_position)
    return [
        Row.compared(
            f"mask applied to {entities:,} logits, us",
            name,
            ours,
            _median_us(way),
            better=Better.LOWER,
        )
        for name, way in ways.items()
    ]


def _median_us(work: Callable[[], object]) -> float:
    times = []
    for _ in range(APPLIED_ROUNDS):
        began_ns = time.thread_time_ns()
        work()
        times.append((time.thread_time_ns() - began_ns) / 1000)
    return median(times)
