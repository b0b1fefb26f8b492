"""Which contenders are compared with which, table by table.

A table is a line in COMPARISONS; its contenders are those of `contenders`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean

from pagecast.cli.bench.align.cells import METRICS
from pagecast.cli.bench.align.contenders import BASELINE, GENERATIVE, LOGGED_WBC, WBC
from pagecast.cli.bench.align.lifts import Lift, lift
from pagecast.cli.bench.align.own_reward import (
    BY_GATED,
    BY_PAGE,
    BY_PREFERENCE,
    DISTANCE,
    JUDGED,
    OF_GATE,
    OF_PAGE_MODEL,
    OF_PREFERENCE,
    TRUE,
)
from pagecast.trainer.alignment.config import RECIPES
from pagecast.trainer.benchmarks.cells import Cell, Figures
from pagecast.trainer.benchmarks.logged_values import ENTITY_AUC, LOSS, ROW_AUC, USERS, WEIGHT


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`names` are compared with `beside`, or with what `others` has under their name."""

    beside: str
    names: tuple[str, ...]
    quick: tuple[str, ...]
    """Those of the names that a quick run measures."""
    others: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    """Contenders that all of them are compared with as well."""

    def of(self, wanted: Sequence[str] | None, *, quick: bool) -> list[str]:
        """Contenders to be measured, references among them; none if none of the names is wanted."""
        names = self.quick if quick else self.names
        if wanted is not None:
            names = tuple(name for name in names if name in wanted)
        references = [self.reference(name) for name in names]
        also = self.also if names else ()
        return list(dict.fromkeys([*references, *also, *names]))

    def reference(self, name: str) -> str:
        """What a contender is compared with."""
        return self.others.get(name, self.beside)

    def lifts(self, cells: Sequence[tuple[Cell, Figures]]) -> list[Lift]:
        """Every contender beside each of its references, by every metric."""
        by_name = figures_by_name(cells)
        return [
            lift(metric, (name, other), by_name[name], by_name[other])
            for name in by_name
            for other in (self.reference(name), *self.also)
            if name != other and other in by_name
            for metric in METRICS
        ]


NO_NEGATIVES = "WBC on the log, no random negatives"

CONTENDERS_TABLE, ALIGN, FINDINGS = "contenders", "align", "findings"

COMPARISONS: Mapping[str, Comparison] = {
    CONTENDERS_TABLE: Comparison(
        beside=BASELINE,
        names=(GENERATIVE, WBC, "popularity"),
        quick=(GENERATIVE, WBC, "popularity"),
    ),
    ALIGN: Comparison(
        beside=LOGGED_WBC,
        names=tuple(RECIPES),
        quick=("dr-grpo", "grpo-sr", "grpo-sr-no-gate"),
        also=(GENERATIVE,),
    ),
    FINDINGS: Comparison(
        beside=WBC,
        names=(
            GENERATIVE,
            "WBC, no pretraining",
            "WBC, no context",
            "WBC, profile small",
            NO_NEGATIVES,
        ),
        quick=("WBC, no pretraining", NO_NEGATIVES),
        others={NO_NEGATIVES: LOGGED_WBC},
    ),
}


def figures_by_name(cells: Sequence[tuple[Cell, Figures]]) -> dict[str, list[Figures]]:
    """Of every seed."""
    by_name: dict[str, list[Figures]] = {}
    for cell, figures in cells:
        by_name.setdefault(cell.name, []).append(figures)
    return by_name


def own_metric(recipe: str) -> str:
    """Which of the reward models' figures a recipe learns from."""
    config = RECIPES[recipe]
    if config.credit == "page":
        return BY_PAGE
    return BY_GATED if config.gate else BY_PREFERENCE


OWN_METRICS = (BY_PAGE, BY_PREFERENCE, BY_GATED, TRUE, DISTANCE)
"""Means over the judged pages, cut to the size of pages that are learned from."""


def own_lifts(cells: Sequence[tuple[Cell, Figures]]) -> list[Lift]:
    """Every aligned contender beside the model it began from: own reward, truth and diversity."""
    by_name = figures_by_name(cells)
    if GENERATIVE not in by_name:
        return []
    return [
        lift(metric, (name, GENERATIVE), seeds, by_name[GENERATIVE], per=JUDGED)
        for name, seeds in by_name.items()
        if name != GENERATIVE
        for metric in OWN_METRICS
    ]


OF_LOG: Mapping[str, str] = {LOSS: WEIGHT, ENTITY_AUC: USERS, ROW_AUC: USERS}
"""Measures on logged pages, each with what it is a mean over."""


def log_lifts(comparison: Comparison, cells: Sequence[tuple[Cell, Figures]]) -> list[Lift]:
    """Every contender beside its first reference, by every measure that all cells of both have."""
    by_name = figures_by_name(cells)
    found = []
    for name, ours in by_name.items():
        other = comparison.reference(name)
        theirs = by_name.get(other, [])
        for measure, per in OF_LOG.items():
            if name != other and theirs and all(measure in one for one in (*ours, *theirs)):
                found.append(lift(measure, (name, other), ours, theirs, per=per))
    return found


def trust(cells: Sequence[tuple[Cell, Figures]]) -> dict[str, float]:
    """How far the reward models are right, as a mean over seeds: a seed's contenders share them."""
    by_figure: dict[str, dict[int, float]] = {}
    for cell, figures in cells:
        for name, value in figures.items():
            of_models = name.startswith((OF_PAGE_MODEL, OF_PREFERENCE, OF_GATE))
            if of_models and isinstance(value, int | float):
                by_figure.setdefault(name, {})[cell.seed] = value
    return {name: mean(of_seed.values()) for name, of_seed in by_figure.items()}
