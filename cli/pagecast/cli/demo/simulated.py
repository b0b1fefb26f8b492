"""The demo's last act, if asked for: simulated members, and an experiment's lift, live."""

import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pagecast.cli.client import Client
from pagecast.cli.data.source import read_movielens
from pagecast.cli.demo.arms_watched import WatchedPlatform
from pagecast.cli.demo.stage import Deadline, Stage, heading
from pagecast.cli.simulation.data import of_ratings
from pagecast.cli.simulation.errors import simulation_errors
from pagecast.cli.stack.local import LocalStack
from pagecast.cli.training.source import training_source
from pagecast.engine.multi_stage.manifest import MULTI_STAGE
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.experiments.assignment import Arm, Experiment
from pagecast.featurestore.experiments.comparison import Comparison
from pagecast.featurestore.experiments.store import Experiments
from pagecast.featurestore.models.records import CHAMPION
from pagecast.simulator.platform import LivePlatform
from pagecast.simulator.progress import Progress
from pagecast.simulator.report import Report
from pagecast.simulator.run import simulate
from pagecast.simulator.run_config import RunConfig
from pagecast.simulator.world import DAY_MS
from pagecast.trainer.multi_stage.config import MultiStageConfig
from pagecast.trainer.multi_stage.train import train_baseline

ACT = 10
"""The number of the heading."""

EXPERIMENT = "simulated"

MEMBERS, DAYS, SEED = 400, 2, 1
"""Three in four come within the days: over a hundred in each arm, with fewer of whom there is no
interval."""

BASELINE = MultiStageConfig(regularisations=(300.0,), halves=(5.0,), examples_max=400)
"""One value of everything, so that it takes seconds; `pagecast train --baseline` tries several."""

DRAWN_SECONDS = 0.25
"""Between two drawings of the table, each of which compares all members."""

PATH_MAX = 120
"""Points of the lift's path that are kept: a line of a terminal."""

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(kw_only=True)
class LiftPath:
    """How the lift went while members came: (sessions, lift)."""

    points: list[tuple[int, float]] = field(default_factory=list)

    def add(self, sessions: int, lift: float) -> None:
        """Drops every second point when there are too many."""
        self.points.append((sessions, lift))
        if len(self.points) > PATH_MAX:
            self.points = self.points[::2]

    def drawn(self) -> str:
        """A bar per point, from the least to the most."""
        lifts = [lift for _, lift in self.points]
        low, high = min(lifts, default=0.0), max(lifts, default=0.0)
        scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
        return "".join(_BARS[round((lift - low) * scale)] for lift in lifts)


def run_simulated(stack: LocalStack, data_folder: Path, console: Console) -> dict[str, Any]:
    """Trains the baseline, starts an experiment, lets members come; returns its JSON."""
    begin_s = time.monotonic()
    heading(console, ACT, "Simulated members visit: champion against the multi-stage baseline")
    experiment = _begin(stack, console)
    people = of_ratings(read_movielens(data_folder))
    start_ms = (time.time_ns() // 1_000_000 // DAY_MS - DAYS - 1) * DAY_MS
    config = RunConfig(members=MEMBERS, days=DAYS, seed=SEED, start_ms=start_ms, reaction_members=0)
    server = stack.record.server_address
    with (
        simulation_errors(),
        closing(LivePlatform(server=server, bootstrap=stack.kafka)) as live,
        tempfile.TemporaryDirectory(prefix="demo-simulator-") as folder,
    ):
        watched, path = WatchedPlatform(live), LiftPath()
        treated = experiment.label(MULTI_STAGE)
        with Live(console=console, auto_refresh=False, transient=True) as screen:
            tell = _Teller(watched, treated, path, screen)
            report = simulate(people, config, watched, Path(folder), tell)
    console.print(_table(watched, treated, path))
    console.print("  [dim]Nobody was real: this is the instrument, not a proof.[/]")
    return _document(report, watched, treated, path, time.monotonic() - begin_s)


def _begin(stack: LocalStack, console: Console) -> Experiment:
    """The experiment, once the server has its models."""
    paths, url = stack.config.paths, stack.config.database_url
    with training_source(paths, url, stack.config.online_store_url) as source:
        manifest = train_baseline(
            source, None, BASELINE, lambda stage: console.print(f"  {stage}", style="dim")
        )
    engine = connect(url or paths.database_url)
    try:
        migrate(engine)
        experiment = _start(engine)
    finally:
        engine.dispose()
    console.print(f"  half of the members see {CHAMPION}'s pages, half those of {manifest.version}")
    _wait_for_arm(stack, console, experiment, manifest.version)
    return experiment


def _start(engine: sa.Engine) -> Experiment:
    arms = [Arm(alias=alias, share=0.5) for alias in (CHAMPION, MULTI_STAGE)]
    return Experiments(engine).start(EXPERIMENT, arms)


def _wait_for_arm(
    stack: LocalStack, console: Console, experiment: Experiment, version: str
) -> None:
    """Raises CheckFailedError if the server does not load the baseline."""
    names = (f"nobody-{number}" for number in range(1000))
    user_id = next(name for name in names if experiment.draw(name) == MULTI_STAGE)
    with Client(stack.record.server_address) as client:
        stage, deadline = Stage(console=console, client=client), Deadline()
        while stage.page(user_id).started.model_version != version:
            deadline.check("the server had not taken the baseline up")
            time.sleep(DRAWN_SECONDS)


class _Teller:
    """Draws now and then; called by several threads."""

    def __init__(
        self, watched: WatchedPlatform, treated: str, path: LiftPath, screen: Live
    ) -> None:
        self._watched, self._treated = watched, treated
        self._path, self._screen = path, screen
        self._drawn_s = 0.0

    def __call__(self, now: Progress) -> None:
        if time.monotonic() - self._drawn_s < DRAWN_SECONDS:
            return
        self._drawn_s = time.monotonic()
        found = self._watched.clicks_compared(self._treated)
        if found is not None and found.control_mean > 0:
            self._path.add(now.sessions, found.treated_mean / found.control_mean - 1)
        self._screen.update(_table(self._watched, self._treated, self._path), refresh=True)


def _table(watched: WatchedPlatform, treated: str, path: LiftPath) -> Group:
    table = Table("arm", "members", "pages", "clicks a member", "completed", box=None)
    for arm in watched.arms():
        table.add_row(
            arm.arm,
            f"{arm.members}",
            f"{arm.pages:,}",
            f"{arm.clicks / arm.members:.2f}",
            f"{arm.completed / arm.members:.2f}",
        )
    said = _told(watched.clicks_compared(treated))
    return Group(table, Text(f"  clicks, {treated}: {said}"), Text(f"  {path.drawn()}"))


def _told(found: Comparison | None) -> str:
    if found is None or found.control_mean <= 0:
        return "no comparison yet"
    value = f"{found.treated_mean / found.control_mean - 1:+.1%}"
    interval = None if found.lift is None else found.lift.interval
    if interval is None:
        return f"{value}, too few members for an interval"
    return f"{value} ({interval.low:+.1%} to {interval.high:+.1%}, however often one looks)"


def _document(
    report: Report, watched: WatchedPlatform, treated: str, path: LiftPath, seconds: float
) -> dict[str, Any]:
    found = watched.clicks_compared(treated)
    lift = None if found is None or found.lift is None else found.lift
    interval = None if lift is None or lift.interval is None else lift.interval
    return {
        "simulator": True,
        "seed": report.config.seed,
        "config_sha256": report.config.simulator.sha256,
        "arms": [vars(arm) for arm in watched.arms()],
        "clicks_lift": None if lift is None else round(lift.value, 4),
        "clicks_lift_interval": (
            None if interval is None else [round(interval.low, 4), round(interval.high, 4)]
        ),
        "lift_by_sessions": [[sessions, round(lift, 4)] for sessions, lift in path.points],
        "late_pages": report.late_pages,
        "seconds": round(seconds, 1),
    }
