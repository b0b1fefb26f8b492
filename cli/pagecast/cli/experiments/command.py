"""`pagecast experiments` from options to answer."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from pagecast.cli.database import open_database
from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.experiments.html import experiment_html
from pagecast.cli.experiments.table import show_experiments, show_report
from pagecast.cli.output import Output
from pagecast.cli.settings import load_settings
from pagecast.featurestore.experiments.assignment import Arm, ExperimentInvalid
from pagecast.featurestore.experiments.report import experiment_json
from pagecast.featurestore.experiments.reporting import report_experiment
from pagecast.featurestore.experiments.store import Experiments, ExperimentUnknown
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.state import StatePaths

HOUR_MS = 3_600_000


def start_experiment(
    name: str,
    *,
    arms: Iterable[str],
    control: str,
    outcome_hours: float,
    state_dir: Path | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Raises InputError that names what is wrong with it."""
    parsed = [_arm(text) for text in arms]
    with opened(state_dir, database_url) as (engine, _):
        started = Experiments(engine).start(
            name, parsed, control=control, outcome_ms=round(outcome_hours * HOUR_MS)
        )
    output = Output(as_json=as_json)
    show_experiments(output, [started])
    output.document(experiment_json(started))


def stop_experiment(
    name: str, *, state_dir: Path | None, database_url: str | None, as_json: bool
) -> None:
    """Raises CommandError if there is none."""
    with opened(state_dir, database_url) as (engine, _):
        stopped = Experiments(engine).stop(name)
    output = Output(as_json=as_json)
    show_experiments(output, [stopped])
    output.document(experiment_json(stopped))


def list_all(*, state_dir: Path | None, database_url: str | None, as_json: bool) -> None:
    with opened(state_dir, database_url) as (engine, _):
        found = Experiments(engine).list()
    output = Output(as_json=as_json)
    show_experiments(output, found)
    if not found:
        output.say("no experiment yet: start one with `pagecast experiments start`")
    output.document([experiment_json(one) for one in found])


def tell_report(
    name: str,
    *,
    html: Path | None,
    state_dir: Path | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Raises CommandError if there is no such experiment, InputError for no folder."""
    if html is not None and not html.resolve().parent.is_dir():
        raise InputError(f"--html: {html.parent} is no folder", "make it first")
    output = Output(as_json=as_json)
    reading = output.console.status("joining pages")
    with opened(state_dir, database_url) as (engine, paths), reading:
        report = report_experiment(engine, OfflineLog(paths.offline), name)
    show_report(output, report)
    if html is not None:
        html.write_text(experiment_html(report), "utf-8")
        output.say(f"report: {html}")
    output.document(report.to_json())


@contextmanager
def opened(
    state_dir: Path | None, database_url: str | None
) -> Iterator[tuple[sa.Engine, StatePaths]]:
    settings = load_settings(state_dir=state_dir, database_url=database_url)
    try:
        with open_database(settings) as engine:
            yield engine, StatePaths(root=settings.state_dir)
    except ExperimentInvalid as error:
        raise InputError(str(error)) from error
    except ExperimentUnknown as error:
        raise CommandError(str(error)) from error


def _arm(text: str) -> Arm:
    alias, _, share = text.partition("=")
    try:
        return Arm(alias=alias, share=float(share))
    except ValueError as error:
        raise InputError(f"--arm: {text!r} has no share", "write it as champion=0.5") from error
