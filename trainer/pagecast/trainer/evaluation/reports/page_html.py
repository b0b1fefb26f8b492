"""Whole pages, and a protocol's other questions, in the report's HTML page."""

from collections.abc import Iterable, Sequence

from pagecast.trainer.evaluation.reports.html_table import html_table
from pagecast.trainer.evaluation.reports.page_report import PageFigures
from pagecast.trainer.evaluation.reports.plots import bars, reliability
from pagecast.trainer.evaluation.reports.report import SystemReport

_READING = (
    "<p>Row hit rate: the share of a page's rows with something of the user's future. Viewport "
    "gain: the future on the page, what has to be scrolled to counting less, relative to the best "
    "page. Coverage: the share of the catalog on any page. Diversity: mean distance of the "
    "metadata of two entities of a page. Rules kept: by a checker that shares no code with the "
    "masks.</p>"
)

_FIGURES = (
    *("system", "pages", "row hit rate", "interval", "page hit rate", "viewport gain", "interval"),
    *("coverage", "diversity", "calibration error", "rules kept"),
)


def beside_parts(systems: Sequence[SystemReport]) -> Iterable[str]:
    """A heading, bars and a table for each other question."""
    for name in systems[0].beside:
        figures = [(system.name, system.beside[name].masked) for system in systems]
        yield f"<h2>Masked NDCG@10: {name}</h2>"
        yield bars(
            [
                (system, f.ndcg_at_10, f.ndcg_at_10_interval.low, f.ndcg_at_10_interval.high)
                for system, f in figures
            ]
        )
        yield html_table(
            ("system", "NDCG@10", "HR@10", "MRR"),
            (
                (system, f"{f.ndcg_at_10:.4f}", f"{f.hr_at_10:.4f}", f"{f.mrr:.4f}")
                for system, f in figures
            ),
        )


def page_parts(systems: Sequence[SystemReport]) -> Iterable[str]:
    """Figures, bars and reliability of the systems that made pages."""
    made = [(system.name, system.pages) for system in systems if system.pages is not None]
    if not made:
        return
    yield "<h2>Whole pages</h2>"
    yield _READING
    yield html_table(_FIGURES, (_cells(name, pages) for name, pages in made))
    yield "<h2>Viewport gain with 95 % intervals</h2>"
    yield bars([(name, pages.viewport_gain, *_ends(pages)) for name, pages in made])
    said = {
        name: [(part.predicted, part.real) for part in pages.calibration.bins]
        for name, pages in made
        if pages.calibration is not None
    }
    if said:
        yield "<h2>Predicted (across) and real (up) engagement of what stands on pages</h2>"
        yield reliability(said)


def _ends(pages: PageFigures) -> tuple[float, float]:
    return pages.viewport_gain_interval.low, pages.viewport_gain_interval.high


def _cells(name: str, pages: PageFigures) -> Sequence[str]:
    rows = pages.row_hit_rate_interval
    low, high = _ends(pages)
    return (
        *(
            name,
            f"{pages.pages:,}",
            f"{pages.row_hit_rate:.4f}",
            f"{rows.low:.4f} to {rows.high:.4f}",
        ),
        *(f"{pages.page_hit_rate:.4f}", f"{pages.viewport_gain:.4f}", f"{low:.4f} to {high:.4f}"),
        *(f"{pages.coverage:.4f}", f"{pages.diversity:.4f}"),
        "" if pages.calibration is None else f"{pages.calibration.error:.4f}",
        f"{pages.rules_kept:.4f}",
    )
