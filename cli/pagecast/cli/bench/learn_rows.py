"""Rows of `pagecast bench learn`: means over seeds, each strategy beside one it should match."""

from collections.abc import Iterator, Sequence
from statistics import mean

from pagecast.cli.bench.rows import Better, Row
from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.benchmarks.learning import (
    FULL,
    NEVER,
    NEW_ENTITIES,
    incremental_name,
)
from pagecast.trainer.start_config import StartConfig

KEPT, COST = 0.99, 0.04
"""Shares of a full retrain: the NDCG@10 an incremental one keeps, the CPU seconds it takes."""

DEFAULT = incremental_name(StartConfig().new_entities)

OTHERS = tuple(incremental_name(name) for name in NEW_ENTITIES if name not in DEFAULT)


def learn_rows(seeds: Sequence[Figures]) -> list[Row]:
    """Of every seed's figures."""
    return [*_quality(seeds), *_cost(seeds), *_starts(seeds), *_old(seeds)]


def _quality(seeds: Sequence[Figures]) -> Iterator[Row]:
    what = "NDCG@10 of the next slices"
    ours = _mean(seeds, f"ndcg_at_10, {DEFAULT}")
    yield _beside(what, FULL, ours, _mean(seeds, f"ndcg_at_10, {FULL}"), reach=KEPT)
    yield _beside(what, NEVER, ours, _mean(seeds, f"ndcg_at_10, {NEVER}"))
    for number, seed in enumerate(seeds):
        own = mean(_slices(seed, f"ndcg_at_10, {DEFAULT}"))
        full = mean(_slices(seed, f"ndcg_at_10, {FULL}"))
        yield _beside(f"{what}, seed {number + 1} of {len(seeds)}", FULL, own, full)
    for number in range(len(_slices(seeds[0], "targets"))):
        for strategy in (NEVER, DEFAULT, FULL):
            by_seed = [_slices(seed, f"ndcg_at_10, {strategy}")[number] for seed in seeds]
            yield Row.alone(f"NDCG@10 of slice {number + 2}, {strategy}", mean(by_seed))


def _cost(seeds: Sequence[Figures]) -> Iterator[Row]:
    what, ours = "CPU s of a retrain", _mean(seeds, f"cpu_seconds, {DEFAULT}")
    full = _mean(seeds, f"cpu_seconds, {FULL}")
    yield Row.compared(what, FULL, ours, full, reach=COST, better=Better.LOWER)
    for strategy in (DEFAULT, FULL):
        yield Row.alone(
            f"steps of a retrain, {strategy}", _mean(seeds, f"optimizer_steps, {strategy}")
        )


def _starts(seeds: Sequence[Figures]) -> Iterator[Row]:
    targets = sum(_slices(seeds[0], "new_targets"))
    yield Row.alone("targets that were new in the last training's slice", targets)
    for figure, what in (
        ("ndcg_at_10", "NDCG@10 of the next slices"),
        ("new_ndcg_at_10", "NDCG@10 of new entities"),
    ):
        own = _mean(seeds, f"{figure}, {DEFAULT}")
        for other in OTHERS:
            yield _beside(f"{what}, {DEFAULT}", other, own, _mean(seeds, f"{figure}, {other}"))
        if figure == "new_ndcg_at_10":
            for strategy in (FULL, NEVER):
                theirs = _mean(seeds, f"{figure}, {strategy}")
                yield _beside(f"{what}, {DEFAULT}", strategy, own, theirs)


def _old(seeds: Sequence[Figures]) -> Iterator[Row]:
    what, ours = "NDCG@10 of the old slice, at the end", _mean(seeds, f"old_ndcg_at_10, {DEFAULT}")
    for strategy in (NEVER, FULL):
        yield _beside(what, strategy, ours, _mean(seeds, f"old_ndcg_at_10, {strategy}"))


def _beside(
    what: str, beside: str, ours: float, theirs: float, *, reach: float | None = None
) -> Row:
    """A strategy that is never right has nothing to divide by."""
    if not theirs:
        return Row(what=what, beside=beside, ours=ours, theirs=theirs)
    return Row.compared(what, beside, ours, theirs, reach=reach)


def _mean(seeds: Sequence[Figures], figure: str) -> float:
    return mean(mean(_slices(seed, figure)) for seed in seeds)


def _slices(figures: Figures, name: str) -> Sequence[float]:
    values = figures[name]
    if isinstance(values, int | float):
        raise ValueError(f"{name} is no figure of slices")
    return values
