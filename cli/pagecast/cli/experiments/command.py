"""`pagecast experiments` from options to answer."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from pagecast.cli.database import open_database
from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.experiments.table import show_experiments
from pagecast.cli.logs import configure_logging
from pagecast.cli.output import Output
from pagecast.cli.settings import load_settings
from pagecast.featurestore.experiments.assignment import Arm, ExperimentInvalid
from pagecast.featurestore.experiments.report import experiment_json
from pagecast.featurestore.experiments.store import Experiments, ExperimentUnknown
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.state import StatePaths

HOUR_MS = 3_600_000


class Opened(NamedTuple):
    """Where experiments and their pages are; `fold` is as for ingest, `rewards` as for training."""

    engine: sa.Engine
    paths: StatePaths
    fold: FoldConfig
    rewards: RewardConfig


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
    """Raises InputError that says what is wrong with it."""
    parsed = [_arm(text) for text in arms]
    with opened(state_dir, database_url) as house:
        started = Experiments(house.engine).start(
            name, parsed, control=control, outcome_ms=round(outcome_hours * HOUR_MS)
        )
    output = Output(as_json=as_json)
    show_experiments(output, [started])
    output.document(experiment_json(started))


def stop_experiment(
    name: str, *, state_dir: Path | None, database_url: str | None, as_json: bool
) -> None:
    """Raises CommandError if there is none."""
    with opened(state_dir, database_url) as house:
        stopped = Experiments(house.engine).stop(name)
    output = Output(as_json=as_json)
    show_experiments(output, [stopped])
    output.document(experiment_json(stopped))


def list_newest(
    limit: int, *, state_dir: Path | None, database_url: str | None, as_json: bool
) -> None:
    with opened(state_dir, database_url) as house:
        found = Experiments(house.engine).list(limit)
    output = Output(as_json=as_json)
    show_experiments(output, found)
    if not found:
        output.say("no experiment yet: start one with `pagecast experiments start`")
    output.document([experiment_json(one) for one in found])


@contextmanager
def opened(state_dir: Path | None, database_url: str | None) -> Iterator[Opened]:
    settings = load_settings(state_dir=state_dir, database_url=database_url)
    # Loading an arm's bundle is logged, and stdout is for the document.
    configure_logging(settings, level="warning")
    try:
        with open_database(settings) as engine:
            paths = StatePaths(root=settings.state_dir)
            yield Opened(engine, paths, settings.fold.config(), settings.rewards())
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
