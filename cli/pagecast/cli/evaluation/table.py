"""An evaluation's report on the terminal."""

from collections.abc import Iterable

from pagecast.cli.evaluation.page_table import show_beside, show_pages
from pagecast.cli.evaluation.texts import interval_text
from pagecast.cli.output import Output
from pagecast.trainer.evaluation.reports.report import Figures, Report, SystemReport

NOTHING = "-"


def show_report(output: Output, report: Report) -> None:
    """Figures with intervals; then slices, staleness and the hyper-parameters chosen."""
    output.say(
        f"\n{report.protocol} on {report.data}: {report.targets:,} targets; "
        f"{report.users:,} users, {report.entities:,} entities, "
        f"{report.interactions:,} interactions"
    )
    if report.retrain_every:
        output.say(f"retrained after every {report.retrain_every:,} targets")
    output.say(f"split SHA-256 {report.split_sha256}\n")
    _show_figures(output, report)
    _show_differences(output, report)
    _show_slices(output, report)
    _show_staleness(output, report)
    show_beside(output, report)
    show_pages(output, report)
    chosen = [(s.name, _chosen(s.chosen.items())) for s in report.systems if s.chosen]
    if chosen:
        output.table("\nChosen on validation", ("system", ""), chosen)


def _show_figures(output: Output, report: Report) -> None:
    figures = [(system, system.figures.masked) for system in report.systems]
    output.table(
        "Masked: what a user has seen is left out; intervals of 95 %, over users",
        ("system", "NDCG@10", "", "HR@10", "MRR", "CPU s"),
        [(s.name, *_cells(masked), f"{s.cpu_seconds:.1f}") for s, masked in figures],
    )
    output.table(
        "\nUnmasked: every entity is ranked",
        ("system", "NDCG@10", "", "HR@10", "MRR"),
        [(system.name, *_cells(system.figures.unmasked)) for system in report.systems],
    )


def _cells(figures: Figures) -> tuple[str, ...]:
    return (
        f"{figures.ndcg_at_10:.4f}",
        interval_text(figures.ndcg_at_10_interval, ".4f"),
        f"{figures.hr_at_10:.4f}",
        f"{figures.mrr:.4f}",
    )


def _show_differences(output: Output, report: Report) -> None:
    rows = [
        (
            system.name,
            f"{difference.mean:+.4f}",
            interval_text(difference.interval, "+.4f"),
            "" if difference.significant else "may be chance",
        )
        for system in report.systems
        if (difference := system.difference) is not None
    ]
    if rows:
        output.table(
            f"\nMasked NDCG@10 less that of {report.reference}", ("system", "", "", ""), rows
        )


def _show_slices(output: Output, report: Report) -> None:
    counts = {name: part.targets for name, part in report.systems[0].slices.items()}
    output.table(
        "\nMasked NDCG@10 by slice, and its targets",
        ("system", *counts),
        [
            ("targets", *(f"{count:,}" for count in counts.values())),
            *(
                (s.name, *(_figure(s.slices[name].ndcg_at_10) for name in counts))
                for s in report.systems
            ),
        ],
    )


def _show_staleness(output: Output, report: Report) -> None:
    delays_s = list(report.systems[0].staleness)
    if len(delays_s) < 2:
        return
    output.table(
        "\nMasked NDCG@10 by how late histories are",
        ("system", *(delay_name(delay_s) for delay_s in delays_s)),
        [(system.name, *_by_delay(system)) for system in report.systems],
    )


def _by_delay(system: SystemReport) -> Iterable[str]:
    return (f"{both.masked.ndcg_at_10:.4f}" for both in system.staleness.values())


def delay_name(delay_s: float) -> str:
    """For people: fresh, 5 s, 5 min, 1 h, 1 d."""
    if not delay_s:
        return "fresh"
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if delay_s >= 2 * seconds or delay_s == seconds:
            return f"{delay_s / seconds:g} {unit}"
    return f"{delay_s:g} s"


def _figure(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4f}"


def _chosen(values: Iterable[tuple[str, float | str]]) -> str:
    return ", ".join(f"{name} {v if isinstance(v, str) else f'{v:g}'}" for name, v in values)
