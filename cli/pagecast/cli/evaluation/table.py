"""An evaluation's report on the terminal."""

from collections.abc import Iterable

from pagecast.cli.output import Output
from pagecast.trainer.evaluation.intervals import Difference
from pagecast.trainer.evaluation.report import REFERENCE, Figures, Report, SystemReport

NOTHING = "-"


def show_report(output: Output, report: Report) -> None:
    """Figures with intervals; then slices, staleness and the hyper-parameters chosen."""
    output.say(
        f"\n{report.protocol} on {report.data}: {report.targets:,} targets; {report.users:,} "
        f"users, {report.entities:,} entities, {report.interactions:,} interactions"
    )
    output.say(f"split SHA-256 {report.split_sha256}\n")
    _show_figures(output, report)
    _show_slices(output, report)
    _show_staleness(output, report)
    chosen = [(s.name, _chosen(s.chosen.items())) for s in report.systems if s.chosen]
    output.table("\nChosen on validation", ("system", ""), chosen)


def _show_figures(output: Output, report: Report) -> None:
    output.table(
        "Masked: what the user has seen is left out; in brackets, 95 % intervals over users",
        (
            *("system", "NDCG@10", "", "HR@10", "MRR"),
            *("unmasked NDCG@10", "HR@10", "MRR", f"to {REFERENCE}", "CPU s"),
        ),
        [
            (
                system.name,
                f"{system.figures.masked.ndcg_at_10:.4f}",
                _interval(system.figures.masked),
                f"{system.figures.masked.hr_at_10:.4f}",
                f"{system.figures.masked.mrr:.4f}",
                f"{system.figures.unmasked.ndcg_at_10:.4f}",
                f"{system.figures.unmasked.hr_at_10:.4f}",
                f"{system.figures.unmasked.mrr:.4f}",
                _difference(system.difference),
                f"{system.cpu_seconds:.1f}",
            )
            for system in report.systems
        ],
    )


def _show_slices(output: Output, report: Report) -> None:
    names = list(report.systems[0].slices)
    output.table(
        "\nMasked NDCG@10 by slice",
        ("slice", "targets", *(system.name for system in report.systems)),
        [
            (
                name,
                f"{report.systems[0].slices[name].targets:,}",
                *(_figure(system.slices[name].ndcg_at_10) for system in report.systems),
            )
            for name in names
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


def _interval(figures: Figures) -> str:
    interval = figures.ndcg_at_10_interval
    return f"\\[{interval.low:.4f}, {interval.high:.4f}]"


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return NOTHING
    interval = difference.interval
    verdict = "" if difference.significant else ", may be chance"
    return f"{difference.mean:+.4f} \\[{interval.low:+.4f}, {interval.high:+.4f}]{verdict}"


def _figure(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4f}"


def _chosen(values: Iterable[tuple[str, float | str]]) -> str:
    return ", ".join(f"{name} {v if isinstance(v, str) else f'{v:g}'}" for name, v in values)
