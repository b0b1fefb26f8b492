"""`pagecast evaluate` from options to report; the command's own file is its options."""

from dataclasses import dataclass
from pathlib import Path

from pagecast.cli.evaluation.asked import Asked, evaluate_data, evaluation_bar
from pagecast.cli.evaluation.data import open_data
from pagecast.cli.evaluation.logged import tell_logged
from pagecast.cli.evaluation.table import show_report
from pagecast.cli.exits import InputError
from pagecast.cli.logs import configure_logging
from pagecast.cli.output import Output
from pagecast.cli.output_files import check_folders, replacing
from pagecast.cli.settings import Settings, load_settings
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.metadata import ContentError
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.reports.report import Report
from pagecast.trainer.evaluation.reports.report_html import report_html


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The command's options; `given` are the names of those on the command line."""

    given: frozenset[str]
    protocol: str
    data: str
    systems: str
    seeds: str
    staleness: str
    retrain_every: int
    pages: int
    logged: bool
    html: Path | None
    budget_minutes: float | None
    state_dir: Path | None
    as_json: bool

    def run(self) -> None:
        """Evaluates and reports. Raises InputError that names the option at fault."""
        settings = load_settings(
            state_dir=self.state_dir, train={"budget_minutes": self.budget_minutes}
        )
        configure_logging(settings, level="warning")
        output = Output(as_json=self.as_json)
        try:
            if self.logged:
                self._refuse_beside_logged()
                tell_logged(output, StatePaths(root=settings.state_dir))
                return
            report = self._report(settings, output)
        except (ContentError, EvaluationError, NothingToTrainError) as error:
            raise InputError(str(error)) from error
        show_report(output, report)
        output.document(report.to_json())
        if self.html is not None:
            with replacing(self.html) as file:
                file.write(report_html(report))
            output.say(f"\nreport: {self.html}")

    def _refuse_beside_logged(self) -> None:
        """Served pages are reported as they were served: options of an evaluation do not apply."""
        if others := sorted(self.given - {"--logged", "--state-dir", "--json"}):
            raise InputError(
                f"--logged: {', '.join(others)} says nothing of served pages",
                "leave out one or the other",
            )

    def _report(self, settings: Settings, output: Output) -> Report:
        asked = Asked.of(
            protocol=self.protocol,
            systems=self.systems,
            seeds=self.seeds,
            staleness=self.staleness,
            retrain_every=self.retrain_every,
            budget_minutes=settings.train.budget_minutes,
            pages=self.pages,
        )
        check_folders(html=self.html)
        paths = StatePaths(root=settings.state_dir)
        opened = open_data(self.data, paths, settings.fold.config(), output.console)
        with evaluation_bar(output.console) as bar:
            return evaluate_data(opened, asked, bar)
