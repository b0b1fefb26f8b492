"""Rows of `pagecast bench model`: each table's cells, beside what they should be compared with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import mean
from typing import NamedTuple

from pagecast.cli.bench.rows import Better, Row
from pagecast.trainer.benchmarks.ablations import DEFAULT
from pagecast.trainer.benchmarks.cells import Cell, Figures
from pagecast.trainer.benchmarks.page_ways import EXACT, ROUNDED, WAYS
from pagecast.trainer.benchmarks.predicted import RETRAINED
from pagecast.trainer.benchmarks.sasrec import Loss
from pagecast.trainer.benchmarks.speed import EVERYTHING, OURS
from pagecast.trainer.evaluation.protocols.splits import LEAVE_ONE_OUT, PREQUENTIAL
from pagecast.trainer.evaluation.systems.pagecast_system import PAGECAST
from pagecast.trainer.export.parity import DIFFERENCE_MAX

REACH_OF_SASREC = 2.0
"""Our tokens per CPU-second, by those of a padded SASRec."""

FLAT_MAX = 1.5
"""Cost of a step with drawn entities, by the same with ten thousand: "nearly flat"."""

NDCG, HR = "ndcg_at_10", "hr_at_10"

TITLES = {NDCG: "NDCG@10", HR: "HR@10"}

RETRAINED_TITLES = {f"{RETRAINED}{name}": f"{title} retrained" for name, title in TITLES.items()}


class _Published(NamedTuple):
    protocol: str
    figure: str
    beside: str
    value: float
    reach: bool = False


PUBLISHED = (
    _Published(LEAVE_ONE_OUT, NDCG, "popularity, as published", 0.0432),
    _Published(LEAVE_ONE_OUT, NDCG, "item-kNN, as published", 0.0625),
    _Published(LEAVE_ONE_OUT, NDCG, "EASE, as published", 0.0711),
    _Published(LEAVE_ONE_OUT, NDCG, "last-item counter, as published", 0.0766),
    _Published(LEAVE_ONE_OUT, NDCG, "SASRec of RecTools, L = 50", 0.0843),
    _Published(LEAVE_ONE_OUT, NDCG, "SASRec of RecTools, L = 200", 0.1013),
    _Published(LEAVE_ONE_OUT, NDCG, "EASE with recency, as published", 0.1036),
    _Published(LEAVE_ONE_OUT, NDCG, "HSTU with genre and year", 0.1059),
    _Published(LEAVE_ONE_OUT, NDCG, "what is to be reached", 0.106, reach=True),
    _Published(LEAVE_ONE_OUT, NDCG, "the goal", 0.118, reach=True),
    _Published(LEAVE_ONE_OUT, HR, "what is to be reached", 0.2025, reach=True),
    _Published(LEAVE_ONE_OUT, HR, "the goal", 0.215, reach=True),
    _Published(PREQUENTIAL, NDCG, "what is to be reached, fresh", 0.11, reach=True),
    _Published(PREQUENTIAL, RETRAINED + NDCG, "what is to be reached, fresh", 0.11, reach=True),
)
"""MovieLens 100K, masked, on the test part: figures that others measured on the same split."""


def model_rows(measured: Sequence[tuple[Cell, Figures]], *, published: bool) -> list[Row]:
    """Rows in the order of the cells' tables. `published` says whether the data are the whole set
    that published figures are for.
    """
    by_table: dict[str, list[tuple[Cell, Figures]]] = {}
    for cell, figures in measured:
        by_table.setdefault(cell.table, []).append((cell, figures))
    rows: list[Row] = []
    for table, some in by_table.items():
        if table == "quality":
            rows += _quality(_by_name(some), published)
        else:
            rows += _ROWS[table](some)
    return rows


def _by_name(some: Sequence[tuple[Cell, Figures]]) -> dict[str, list[Figures]]:
    """The figures of every seed, by the cell's name."""
    named: dict[str, list[Figures]] = {}
    for cell, figures in some:
        named.setdefault(cell.name, []).append(figures)
    return named


def _mean(seeds: Sequence[Figures], figure: str) -> float:
    return mean(_number(figures, figure) for figures in seeds)


def _number(figures: Figures, name: str) -> float:
    value = figures[name]
    if not isinstance(value, int | float):
        raise ValueError(f"{name} is a figure of rounds")
    return float(value)


def _quality(named: Mapping[str, Sequence[Figures]], published: bool) -> Iterator[Row]:
    for protocol in (LEAVE_ONE_OUT, PREQUENTIAL):
        own = named.get(f"{protocol}, {PAGECAST}")
        if own is None:
            continue
        for figure, title in {**TITLES, **RETRAINED_TITLES}.items():
            if figure not in own[0]:
                continue
            what, ours = f"{title}, {protocol}", _mean(own, figure)
            yield from _range(what, own, figure)
            for name, seeds in named.items():
                system = name.removeprefix(f"{protocol}, ")
                if system not in (name, PAGECAST):
                    yield _beside(what, f"{system}, this run", ours, _mean(seeds, figure))
            for at in PUBLISHED if published else ():
                if (at.protocol, at.figure) == (protocol, figure):
                    reach = 1.0 if at.reach else None
                    yield Row.compared(what, at.beside, ours, at.value, reach=reach)
        yield Row.alone(f"CPU s a seed, {protocol}", _mean(own, "cpu_seconds"))


def _beside(what: str, beside: str, ours: float, theirs: float) -> Row:
    """A system that is never right has nothing to divide by."""
    if not theirs:
        return Row(what=what, beside=beside, ours=ours, theirs=theirs)
    return Row.compared(what, beside, ours, theirs)


def _range(what: str, seeds: Sequence[Figures], figure: str) -> Iterator[Row]:
    """The mean, and the range over seeds if there are several."""
    yield Row.alone(f"{what}, mean of {len(seeds)} seeds", _mean(seeds, figure))
    if len(seeds) > 1:
        values = [_number(figures, figure) for figures in seeds]
        yield Row.alone(f"{what}, least", min(values))
        yield Row.alone(f"{what}, most", max(values))


def _ablations(some: Sequence[tuple[Cell, Figures]]) -> Iterator[Row]:
    named = _by_name(some)
    default = named[DEFAULT]
    for name, seeds in named.items():
        for figure, title in TITLES.items():
            what = f"validation {title}, {name}"
            if name == DEFAULT:
                yield from _range(what, seeds, figure)
                continue
            yield from _range(what, seeds, figure)
            yield _beside(what, DEFAULT, _mean(seeds, figure), _mean(default, figure))
        seconds = _mean(seeds, "cpu_seconds")
        yield Row.compared(f"CPU s, {name}", DEFAULT, seconds, _mean(default, "cpu_seconds"))


def _throughput(some: Sequence[tuple[Cell, Figures]]) -> Iterator[Row]:
    for cell, figures in some:
        ours, length = _rounds(figures, OURS), cell.name
        for loss in Loss:
            beside = f"SASRec padded to {length}, {loss.value}"
            what = f"tokens/CPU-s, histories of {length}"
            theirs = _rounds(figures, loss.value)
            yield Row.of_rounds(what, beside, ours, theirs, reach=REACH_OF_SASREC)
        every = mean(_rounds(figures, EVERYTHING))
        yield Row.alone(f"positions/CPU-s, pages and openings too, {length}", every)


def _rounds(figures: Figures, name: str) -> Sequence[float]:
    values = figures[name]
    if isinstance(values, int | float):
        raise ValueError(f"{name} is no figure of rounds")
    return values


def _scaling(some: Sequence[tuple[Cell, Figures]]) -> Iterator[Row]:
    for cell, figures in some:
        for figure, title in TITLES.items():
            yield Row.alone(f"validation {title}, {cell.name}", _number(figures, figure))
        yield Row.alone(f"passes, {cell.name}", _number(figures, "epochs"))


def _parity(some: Sequence[tuple[Cell, Figures]]) -> Iterator[Row]:
    for cell, figures in some:
        differences = [v for n, v in figures.items() if n.endswith("_difference_max")]
        if not differences:
            yield Row.alone(
                f"loss of one training step, {cell.name}", _number(figures, "entity_loss")
            )
            yield Row.alone(f"parameters, {cell.name}", _number(figures, "parameters"))
            continue
        yield Row.compared(
            f"largest difference of the graphs, {cell.name}",
            "the largest that is published",
            max(v for v in differences if isinstance(v, int | float)),
            DIFFERENCE_MAX,
            reach=1.0,
            better=Better.LOWER,
        )


def _cost(some: Sequence[tuple[Cell, Figures]]) -> Iterator[Row]:
    """Each size beside the first one of the same softmax; the drawn softmax should stay flat."""
    first: dict[bool, tuple[str, float]] = {}
    for cell, figures in some:
        seconds, drawn = _number(figures, "cpu_seconds"), bool(cell.settings["negatives"])
        what = f"CPU s of a step, {cell.name}"
        beside, theirs = first.setdefault(drawn, (cell.name, seconds))
        if beside == cell.name:
            yield Row.alone(what, seconds)
        else:
            reach = FLAT_MAX if drawn else None
            yield Row.compared(what, beside, seconds, theirs, reach=reach, better=Better.LOWER)
        yield Row.alone(f"peak GB, {cell.name}", _number(figures, "peak_gigabytes"))


def _decoding(some: Sequence[tuple[Cell, Figures]]) -> Iterator[Row]:
    """Each seed by itself: both forms are of one model, so they are compared within a seed."""
    for cell, figures in some:
        of_seed = f"seed {cell.seed}"
        ours, theirs = (_number(figures, f"ndcg_at_10_{form}") for form in ("int8", "fp32"))
        yield _beside(f"validation NDCG@10, int8, {of_seed}", "fp32", ours, theirs)
        error = _number(figures, "ndcg_difference_error")
        yield Row.alone(f"standard error of the difference, {of_seed}", error)
        choices = f"{_number(figures, 'choices'):,.0f} choices of fp32 pages"
        equal = _number(figures, "equal_choices")
        yield Row.alone(f"share of {choices} that int8 makes too, {of_seed}", equal)
        for way in (ROUNDED, *WAYS):
            yield Row.alone(
                f"share of the exact page's entities, {way}, {of_seed}",
                _number(figures, f"same_entities, {way}"),
            )
            what = f"worth of the target's place, {way}, {of_seed}"
            ours, theirs = (_number(figures, f"target_worth, {each}") for each in (way, EXACT))
            yield _beside(what, EXACT, ours, theirs)


_ROWS: Mapping[str, Callable[[Sequence[tuple[Cell, Figures]]], Iterator[Row]]] = {
    "ablations": _ablations,
    "cost": _cost,
    "decoding": _decoding,
    "parity": _parity,
    "scaling": _scaling,
    "throughput": _throughput,
}
