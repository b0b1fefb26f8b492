"""The scaling table as a plot: quality by model size, with a line for each data and context."""

from collections.abc import Sequence

from pagecast.trainer.benchmarks.cells import Cell, Figures
from pagecast.trainer.evaluation.reports.plots import curves


def scaling_svg(measured: Sequence[tuple[Cell, Figures]]) -> str:
    """Masked NDCG@10 on validation, from zero; "" if there is no cell of scaling."""
    lines: dict[str, dict[str, float]] = {}
    for cell, figures in measured:
        value = figures.get("ndcg_at_10")
        if cell.table == "scaling" and isinstance(value, int | float):
            size, _, rest = cell.name.partition(", ")
            lines.setdefault(rest, {})[size] = value
    if not lines:
        return ""
    sizes = list(next(iter(lines.values())))
    return curves(sizes, {name: list(by_size.values()) for name, by_size in lines.items()})
