"""Compares ways to say an entity: what they predict, and what they cost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from pagecast.cli.bench.align.comparisons import figures_by_name
from pagecast.cli.bench.align.workshop import PASSES_MINUTES_MAX
from pagecast.trainer.benchmarks.cells import Cell, Figures
from pagecast.trainer.benchmarks.spelled import IDS
from pagecast.trainer.evaluation.figures.intervals import Bootstrap, Difference

PAGES, QUICK_PAGES = 200, 10
"""Whole pages decoded each way, for their cost and their rules."""

ENTITIES, MERGED, SPELLED = "entity tokens", "semantic IDs", "semantic IDs, prompts spelled out"

_SEMANTIC: Mapping[str, JsonValue] = {"model.response": "semantic_ids"}

WAYS: Mapping[str, Mapping[str, JsonValue]] = {
    ENTITIES: {},
    MERGED: _SEMANTIC,
    SPELLED: {**_SEMANTIC, "model.merge_prompt": False},
}
"""All without step dropout: a step of four positions would lose them one by one."""

ASKED: Mapping[str, tuple[str, str]] = {
    "known": ("known_T", "known_user_T"),
    "cold": ("cold_T", "cold_user_T"),
    "known alone": ("among_known_T", "known_user_T"),
}
"""What is compared: gains, and the targets they belong to."""

BESIDE: Mapping[str, tuple[str, ...]] = {MERGED: (ENTITIES, SPELLED), SPELLED: (ENTITIES,)}


def id_cells(seeds: Sequence[int], passes: float, *, quick: bool) -> list[Cell]:
    names = (ENTITIES, MERGED) if quick else tuple(WAYS)
    return [
        Cell(
            table=IDS,
            name=name,
            settings={
                "pages": QUICK_PAGES if quick else PAGES,
                "overrides": {
                    **WAYS[name],
                    "step_dropout": 0.0,
                    "epochs": passes,
                    "budget_minutes": PASSES_MINUTES_MAX,
                },
            },
            seed=seed,
        )
        for seed in seeds
        for name in names
    ]


@dataclass(frozen=True, kw_only=True)
class IdsRow:
    """Means over seeds. What only an exported model has is None for the others."""

    name: str
    known: float
    """NDCG@10 of chosen entities that training met."""
    cold: float
    """The same for entities launched since."""
    among_known: float
    """The same for the known ones if nothing new competes."""
    among_cold: float
    positions: float
    """Of [prompt, ROW top]."""
    weight_bytes: float
    served_bytes: float | None
    page_cpu_ms: float | None
    hallucination_rate: float | None
    rules_kept: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class IdsDifference:
    """NDCG@10 of one way beside another's on the same targets, 95 % over people."""

    name: str
    beside: str
    what: str
    ours: float
    theirs: float
    difference: Difference

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def ids_rows(cells: Sequence[tuple[Cell, Figures]]) -> list[IdsRow]:
    return [_row(name, seeds) for name, seeds in figures_by_name(cells).items()]


def ids_differences(cells: Sequence[tuple[Cell, Figures]]) -> list[IdsDifference]:
    by_name = figures_by_name(cells)
    return [
        _difference(what, (name, other), by_name[name], by_name[other])
        for name in by_name
        for other in BESIDE.get(name, ())
        if other in by_name
        for what in ASKED
    ]


def _row(name: str, seeds: Sequence[Figures]) -> IdsRow:
    return IdsRow(
        name=name,
        known=float(_gains(seeds, "known_T").mean()),
        cold=float(_gains(seeds, "cold_T").mean()),
        among_known=float(_gains(seeds, "among_known_T").mean()),
        among_cold=float(_gains(seeds, "among_cold_T").mean()),
        positions=_mean(seeds, "positions") or 0.0,
        weight_bytes=_mean(seeds, "weight_bytes") or 0.0,
        served_bytes=_mean(seeds, "served_bytes"),
        page_cpu_ms=_mean(seeds, "page_cpu_ms"),
        hallucination_rate=_mean(seeds, "hallucination_rate"),
        rules_kept=_mean(seeds, "rules_kept"),
    )


def _difference(
    what: str, names: tuple[str, str], ours: Sequence[Figures], theirs: Sequence[Figures]
) -> IdsDifference:
    """Taken of the mean over seeds, which are all asked the same."""
    gains, users = ASKED[what]
    ours_T, theirs_T = _gains(ours, gains), _gains(theirs, gains)
    user_T = np.asarray(ours[0][users], np.int64)
    return IdsDifference(
        name=names[0],
        beside=names[1],
        what=what,
        ours=float(ours_T.mean()),
        theirs=float(theirs_T.mean()),
        difference=Bootstrap(user_T).difference(ours_T, theirs_T),
    )


def _gains(seeds: Sequence[Figures], what: str) -> npt.NDArray[np.float64]:
    gain_T: npt.NDArray[np.float64] = np.mean([figures[what] for figures in seeds], axis=0)
    return gain_T


def _mean(seeds: Sequence[Figures], name: str) -> float | None:
    values = [value for figures in seeds if isinstance(value := figures.get(name), int | float)]
    return mean(values) if values else None
