"""`pagecast evaluate --logged`: served pages of the offline log, and what became of them."""

from pagecast.cli.evaluation.texts import interval_text
from pagecast.cli.output import Output
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.pages.logged_pages import logged_pages
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.evaluation.reports.impressions import logged_impressions
from pagecast.trainer.evaluation.reports.logged_report import LoggedReport, evaluate_logged


def tell_logged(output: Output, paths: StatePaths) -> None:
    """Raises EvaluationError if no page has an impression."""
    with output.console.status("joining pages"):
        logged = logged_impressions(logged_pages(OfflineLog(paths.offline)))
    report = evaluate_logged(str(paths.offline), logged)
    _show(output, report)
    output.document(report.to_json())


def _show(output: Output, report: LoggedReport) -> None:
    output.say(
        f"\n{report.pages:,} pages of {report.users:,} users: {report.entities:,} entities and "
        f"{report.rows:,} rows seen\nsplit SHA-256 {report.split_sha256}\n"
    )
    output.table(
        "Of logged impressions; intervals of 95 %, over users",
        ("", "entity AUC", "", "row AUC", "", "calibration error"),
        [
            (
                *(system.name, f"{system.entity_auc:.4f}"),
                interval_text(system.entity_auc_interval, ".4f"),
                f"{system.row_auc:.4f}",
                interval_text(system.row_auc_interval, ".4f"),
                "-" if system.calibration is None else f"{system.calibration.error:.4f}",
            )
            for system in report.systems
        ],
    )
