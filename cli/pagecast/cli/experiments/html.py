"""An experiment's report as one self-contained HTML page."""

from collections.abc import Iterable
from html import escape

from pagecast.cli.experiments.plot import lifts, path_plot
from pagecast.cli.experiments.table import (
    ARMS,
    COMPARED,
    ESTIMATED,
    arm_cells,
    compared_cells,
    estimate_cells,
    estimate_notes,
    moment,
    segment_cells,
)
from pagecast.featurestore.experiments.metrics import METRICS
from pagecast.featurestore.experiments.report import ExperimentReport
from pagecast.trainer.evaluation.reports.html_table import html_table

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid #8884; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.warning { color: #b91c1c; }
"""

_READING = (
    "Figures are by user, over the outcome window from the user's first page on; users whose "
    "window is not over are pending. Intervals are confidence sequences: they hold at all times "
    "together, so this page may be read every day. One that holds zero decides nothing. Segments "
    "and metrics below the first are many looks at chance: read them as hints. Of "
    "first_row_ms less is better."
)

_ESTIMATES = (
    "What an arm's model would have earned a page if it had drawn, too: from pages that another "
    "arm drew at random. Worth: how many of the target's own pages the pages are worth. Earned: "
    "what they earned themselves. These intervals are at one time, not at every reading together."
)


def experiment_html(report: ExperimentReport) -> str:
    """The page: arms, lifts with intervals, how they came about, guardrails, segments."""
    title = escape(f"Experiment {report.experiment.name}")
    parts = [
        f"<h1>{title}</h1><p>{escape(_facts(report))}</p><p>{_READING}</p>",
        *(f'<p class="warning">{escape(warning)}</p>' for warning in report.warnings),
        "<h2>Arms</h2>",
        html_table(ARMS, map(arm_cells, report.arms)),
        *_compared(report),
        *_off_policy(report),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _compared(report: ExperimentReport) -> Iterable[str]:
    if not report.metrics:
        return
    yield "<h2>Metrics, by user</h2>"
    yield lifts(report.metrics)
    yield html_table(COMPARED, map(compared_cells, report.metrics))
    yield f"<h2>{METRICS[0]}: the difference as users came in</h2>"
    yield path_plot(report.path)
    yield "<h2>Guardrails</h2>"
    yield html_table(COMPARED, map(compared_cells, report.guardrails))
    yield "<h2>Segments</h2>"
    yield html_table(("segment", "users", *COMPARED), segment_cells(report.segments))


def _off_policy(report: ExperimentReport) -> Iterable[str]:
    if not report.off_policy:
        return
    yield f"<h2>Off-policy estimates</h2><p>{_ESTIMATES}</p>"
    if found := list(estimate_cells(report.off_policy)):
        yield html_table(ESTIMATED, found)
    yield from (f"<p>{escape(told)}</p>" for told in estimate_notes(report.off_policy))


def _facts(report: ExperimentReport) -> str:
    one, ratio = report.experiment, report.sample_ratio
    told = (
        f"Control {one.control}; started {moment(one.started_at_ms)}, "
        f"stopped {moment(one.stopped_at_ms)}; "
        f"outcome window {one.outcome_ms / 3_600_000:g} hours; "
        f"pages from {moment(report.began_ms)} to {moment(report.as_of_ms)}."
    )
    if ratio is None:
        return told
    verdict = "alarm" if ratio.alarm else "no alarm"
    return f"{told} Sample ratio: evidence {ratio.evidence:.3g} against the shares, {verdict}."
