"""A report as one HTML page that needs nothing from elsewhere."""

from collections.abc import Iterable, Sequence
from html import escape

from pagecast.trainer.evaluation.reports.html_table import html_table
from pagecast.trainer.evaluation.reports.page_html import beside_parts, page_parts
from pagecast.trainer.evaluation.reports.plots import bars, curves
from pagecast.trainer.evaluation.reports.report import Report, SystemReport

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid #8884; text-align: right; }
th:first-child, td:first-child { text-align: left; }
code { overflow-wrap: anywhere; }
"""

_READING = (
    "A target is ranked among all entities, equal scores count as better. Masked leaves out what "
    "the user has seen. Intervals hold the middle 95 % of 2,000 resamples of the users; a "
    "difference whose interval holds zero may be chance."
)


def report_html(report: Report) -> str:
    """The page: figures with intervals, bars, slices, and the staleness curve if there is one."""
    title = escape(f"{report.protocol} on {report.data}")
    facts = (
        f"{report.targets:,} targets; {report.users:,} users, {report.entities:,} entities, "
        f"{report.interactions:,} interactions. Split SHA-256 <code>{report.split_sha256}</code>."
    )
    if report.retrain_every:
        facts += f" Retrained after every {report.retrain_every:,} targets."
    names = [system.name for system in report.systems]
    parts = [
        f"<h1>{title}</h1><p>{facts}</p><p>{_READING}</p>",
        html_table(_figure_names(report.reference), map(_figures, report.systems)),
        "<h2>Masked NDCG@10 with 95 % intervals</h2>",
        bars([(s.name, s.figures.masked.ndcg_at_10, *_ends(s)) for s in report.systems]),
        "<h2>Masked NDCG@10 by slice</h2>",
        html_table(("slice", "targets", *names), _slices(report.systems)),
        *_staleness(report.systems),
        *beside_parts(report.systems),
        *page_parts(report.systems),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _figure_names(reference: str) -> Sequence[str]:
    return (
        *("system", "NDCG@10", "interval", "HR@10", "MRR", "unmasked NDCG@10"),
        *(f"to {reference}", "interval", "CPU seconds", "chosen"),
    )


def _figures(system: SystemReport) -> Sequence[str]:
    masked, difference = system.figures.masked, system.difference
    chosen = ", ".join(f"{name} {value}" for name, value in system.chosen.items())
    to_reference = ("", "")
    if difference is not None:
        interval = difference.interval
        to_reference = f"{difference.mean:+.4f}", f"{interval.low:+.4f} to {interval.high:+.4f}"
    low, high = _ends(system)
    return (
        *(system.name, f"{masked.ndcg_at_10:.4f}", f"{low:.4f} to {high:.4f}"),
        *(f"{masked.hr_at_10:.4f}", f"{masked.mrr:.4f}"),
        f"{system.figures.unmasked.ndcg_at_10:.4f}",
        *(*to_reference, f"{system.cpu_seconds:.1f}", chosen),
    )


def _ends(system: SystemReport) -> tuple[float, float]:
    interval = system.figures.masked.ndcg_at_10_interval
    return interval.low, interval.high


def _slices(systems: Sequence[SystemReport]) -> Iterable[Sequence[str]]:
    for name, part in systems[0].slices.items():
        values = (system.slices[name].ndcg_at_10 for system in systems)
        shown = ("" if value is None else f"{value:.4f}" for value in values)
        yield name, f"{part.targets:,}", *shown


def _staleness(systems: Sequence[SystemReport]) -> Iterable[str]:
    if len(systems[0].staleness) < 2:
        return
    delays_s = list(systems[0].staleness)
    of = {s.name: [both.masked.ndcg_at_10 for both in s.staleness.values()] for s in systems}
    yield "<h2>Masked NDCG@10 by how late histories are</h2>"
    yield curves([f"{delay_s:g} s" for delay_s in delays_s], of)
    yield html_table(
        ("system", *(f"{delay_s:g} s" for delay_s in delays_s)),
        ((name, *(f"{value:.4f}" for value in values)) for name, values in of.items()),
    )
