"""What `--tables` knows: for each, the cells that are measured and how they are shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pagecast.cli.bench.align.cells import aligned_cells, valued_cells, visit_cells
from pagecast.cli.bench.align.comparisons import (
    ALIGN,
    COMPARISONS,
    CONTENDERS_TABLE,
    FINDINGS,
    log_lifts,
    own_lifts,
    trust,
)
from pagecast.cli.bench.align.coverage import RUNS, coverage
from pagecast.cli.bench.align.ids import id_cells, ids_differences, ids_rows
from pagecast.cli.bench.align.shown import (
    show_coverage,
    show_ids,
    show_lifts,
    show_of_log,
    show_own,
    show_trust,
)
from pagecast.cli.bench.align.workshop import Effort
from pagecast.cli.output import Output
from pagecast.trainer.benchmarks.cells import Cell, Figures

QUICK_RUNS = 10

TITLES = {
    CONTENDERS_TABLE: "Beside the pipeline of several stages",
    ALIGN: "Reinforcement learning beside binary classification",
    FINDINGS: "What GenPage found, again",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of a table; `contenders` None means all of its."""

    seeds: tuple[int, ...]
    effort: Effort
    contenders: tuple[str, ...] | None
    quick: bool


Measured = Sequence[tuple[Cell, Figures]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """`show` prints, and returns what the JSON document has under the table's name."""

    cells: Callable[[Asked], list[Cell]]
    show: Callable[[Output, Asked, Measured], Any]


def _compared_cells(table: str, asked: Asked) -> list[Cell]:
    names = COMPARISONS[table].of(asked.contenders, quick=asked.quick)
    of = {ALIGN: aligned_cells, FINDINGS: valued_cells}.get(table, visit_cells)
    return of(names, asked.seeds, asked.effort)


def _show_compared(table: str, output: Output, _asked: Asked, measured: Measured) -> Any:
    lifts = COMPARISONS[table].lifts(measured)
    show_lifts(output, TITLES[table], lifts)
    return [one.to_dict() for one in lifts]


def _show_findings(output: Output, asked: Asked, measured: Measured) -> Any:
    of_log = log_lifts(COMPARISONS[FINDINGS], measured)
    show_of_log(output, of_log)
    return {
        "lifts": _show_compared(FINDINGS, output, asked, measured),
        "logged_pages": [one.to_dict() for one in of_log],
    }


def _show_align(output: Output, asked: Asked, measured: Measured) -> Any:
    own, models = own_lifts(measured), trust(measured)
    show_own(output, own)
    show_trust(output, models)
    return {
        "reward_models": models,
        "lifts": _show_compared(ALIGN, output, asked, measured),
        "own": [one.to_dict() for one in own],
    }


def _show_ids(output: Output, _asked: Asked, measured: Measured) -> Any:
    rows, differences = ids_rows(measured), ids_differences(measured)
    show_ids(output, rows, differences)
    return {
        "rows": [row.to_dict() for row in rows],
        "differences": [one.to_dict() for one in differences],
    }


def _show_off_policy(output: Output, asked: Asked, _measured: Measured) -> Any:
    """Made-up slates; they take seconds, so nothing is kept."""
    estimates = coverage(QUICK_RUNS if asked.quick else RUNS)
    show_coverage(output, estimates)
    return [one.to_dict() for one in estimates]


TABLES: Mapping[str, Table] = {
    CONTENDERS_TABLE: Table(
        cells=partial(_compared_cells, CONTENDERS_TABLE),
        show=partial(_show_compared, CONTENDERS_TABLE),
    ),
    FINDINGS: Table(cells=partial(_compared_cells, FINDINGS), show=_show_findings),
    ALIGN: Table(cells=partial(_compared_cells, ALIGN), show=_show_align),
    "ids": Table(
        cells=lambda asked: id_cells(asked.seeds, asked.effort.passes, quick=asked.quick),
        show=_show_ids,
    ),
    "off-policy": Table(cells=lambda _: [], show=_show_off_policy),
}


LOOP = "loop"
"""A table of another kind, with arms that learn (`loop.bench`)."""

NAMES = (*TABLES, LOOP)


def tables_named(told: str | None) -> list[str]:
    """Names separated by commas; None means all. Raises ValueError for an unknown one."""
    if told is None:
        return list(NAMES)
    names = [name for name in told.split(",") if name]
    if unknown := [name for name in names if name not in NAMES]:
        raise ValueError(f"tables: {unknown[0]!r} is none of {', '.join(NAMES)}")
    if not names:
        raise ValueError(f"tables: name some of {', '.join(NAMES)}")
    return list(dict.fromkeys(names))


def tables_asked(told: str | None, contenders: Sequence[str] | None) -> list[str]:
    """Contenders named without tables mean the tables that have contenders. Raises ValueError."""
    return list(COMPARISONS) if told is None and contenders else tables_named(told)


def cells_of(names: Sequence[str], asked: Asked) -> dict[str, list[Cell]]:
    """Cells of these tables. Raises ValueError if the contenders that were named leave nothing."""
    cells = {name: TABLES[name].cells(asked) for name in names}
    # Naming contenders leaves out the comparisons that have none of them.
    cells = {name: some for name, some in cells.items() if some or name not in COMPARISONS}
    if not cells:
        known = dict.fromkeys(one for name in names for one in COMPARISONS[name].names)
        raise ValueError(
            f"contenders: {' / '.join(asked.contenders or ())}: nothing of it is compared with "
            f"another in {', '.join(names)}; name some of {' / '.join(known)}"
        )
    return cells
