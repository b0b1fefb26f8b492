"""`pagecast experiments report` from options to answer."""

from pathlib import Path

from pagecast.cli.experiments.command import opened
from pagecast.cli.experiments.html import experiment_html
from pagecast.cli.experiments.table import show_report
from pagecast.cli.output import Output
from pagecast.cli.output_files import check_folders, replacing
from pagecast.cli.progress import progress_bar
from pagecast.server.experiments.arm_estimates import ReportSource, report_with_estimates


def tell_report(
    name: str,
    *,
    html: Path | None,
    off_policy_pages: int,
    state_dir: Path | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Raises CommandError if there is no such experiment, InputError if `html` has no folder."""
    check_folders(html=html)
    output = Output(as_json=as_json)
    with opened(state_dir, database_url) as house, progress_bar(output.console) as bar:
        task = bar.add_task("report", total=1.0, note="joining pages")
        source = ReportSource.of(house.engine, house.paths, house.fold, house.rewards)
        report = report_with_estimates(
            source,
            name,
            off_policy_pages=off_policy_pages,
            told=lambda share: bar.update(task, completed=share, note="following drawn pages"),
        )
        bar.update(task, completed=1.0, note="")
    show_report(output, report)
    output.document(report.to_json())
    if html is not None:
        with replacing(html) as file:
            file.write(experiment_html(report))
        output.say(f"report: {html}")
