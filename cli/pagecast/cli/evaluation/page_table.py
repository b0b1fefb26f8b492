"""An evaluation's further questions, and its whole pages, on the terminal."""

from pagecast.cli.evaluation.texts import interval_text
from pagecast.cli.output import Output
from pagecast.trainer.evaluation.reports.page_report import PageFigures
from pagecast.trainer.evaluation.reports.report import Report


def show_beside(output: Output, report: Report) -> None:
    """A table for each question that a protocol asks beside its own."""
    for name in report.systems[0].beside:
        figures = [(system.name, system.beside[name].masked) for system in report.systems]
        output.table(
            f"\nMasked, {name}",
            ("system", "NDCG@10", "", "HR@10", "MRR"),
            [
                (
                    *(system, f"{masked.ndcg_at_10:.4f}"),
                    interval_text(masked.ndcg_at_10_interval, ".4f"),
                    *(f"{masked.hr_at_10:.4f}", f"{masked.mrr:.4f}"),
                )
                for system, masked in figures
            ],
        )


def show_pages(output: Output, report: Report) -> None:
    """Whole pages of the systems that made any; broken rules in words."""
    made = [(s.name, s.pages) for s in report.systems if s.pages is not None]
    if not made:
        return
    output.table(
        f"\nWhole pages, {made[0][1].pages:,} requests",
        ("", *(name for name, _ in made)),
        list(zip(PAGE_FIGURES, *(_page_cells(pages) for _, pages in made), strict=True)),
    )
    for name, pages in made:
        for broken in pages.broken:
            output.say((f"{name} broke a rule: {broken}", "red"))


PAGE_FIGURES = (
    *("row hit rate", "", "page hit rate", "viewport gain", "", "coverage", "diversity"),
    *("calibration error", "rules kept"),
)
"""Columns of `_page_cells`; those without a name are intervals."""


def _page_cells(pages: PageFigures) -> tuple[str, ...]:
    return (
        *(f"{pages.row_hit_rate:.4f}", interval_text(pages.row_hit_rate_interval, ".4f")),
        f"{pages.page_hit_rate:.4f}",
        *(f"{pages.viewport_gain:.4f}", interval_text(pages.viewport_gain_interval, ".4f")),
        *(f"{pages.coverage:.4f}", f"{pages.diversity:.4f}"),
        "-" if pages.calibration is None else f"{pages.calibration.error:.4f}",
        f"{pages.rules_kept:.4f}",
    )
