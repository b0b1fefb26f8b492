"""What `pagecast simulate` does."""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console

from pagecast.cli.discovery import bootstrap_servers, server_address
from pagecast.cli.exits import InputError
from pagecast.cli.logs import configure_logging
from pagecast.cli.output import Output
from pagecast.cli.progress import progress_bar
from pagecast.cli.settings import load_settings
from pagecast.cli.simulation.data import read_training_data
from pagecast.cli.simulation.errors import simulation_errors
from pagecast.cli.simulation.show import show
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.state import StatePaths
from pagecast.simulator.platform import LivePlatform
from pagecast.simulator.progress import Progress, Told
from pagecast.simulator.reaction import AFTERWARDS_DAYS
from pagecast.simulator.run import simulate
from pagecast.simulator.run_config import DAYS_MAX, RunConfig
from pagecast.simulator.world import DAY_MS

MS_NS = 1_000_000
"""Nanoseconds of a millisecond."""

TOLD_SECONDS = 0.2
"""Between two reports of progress: a bar needs no more."""


@dataclass(frozen=True, kw_only=True)
class SimulateCommand:
    """Options as they were given."""

    members: int
    days: int
    speed: float
    seed: int
    start: str
    prefix: str
    readers: int
    reaction_members: int
    data: str
    reward: Path | None
    server: str | None
    bootstrap_servers: str | None
    state_dir: Path | None
    as_json: bool

    def run(self) -> None:
        settings = load_settings(
            state_dir=self.state_dir,
            server_address=self.server,
            bootstrap_servers=self.bootstrap_servers,
        )
        configure_logging(settings, level="error")
        output = Output(as_json=self.as_json)
        config = self._config(settings.rewards())
        # Cheap checks first: a missing stack is reported before data are read.
        servers, address = bootstrap_servers(settings), server_address(settings)
        paths = StatePaths(root=settings.state_dir)
        data = read_training_data(self.data, paths, settings.fold.config(), output.console)
        with simulation_errors(), tempfile.TemporaryDirectory(prefix="simulator-") as folder:
            platform = LivePlatform(server=address, bootstrap=servers)
            with closing(platform), _progress(output.console) as told:
                report = simulate(data, config, platform, Path(folder), told)
        show(output, report, self.data)
        output.document({"data": self.data, **report.to_dict()})

    def _config(self, rewards: RewardConfig) -> RunConfig:
        try:
            return RunConfig(
                members=self.members,
                days=self.days,
                speed=self.speed,
                seed=self.seed,
                start_ms=start_of(self.start, self.days),
                prefix=self.prefix,
                readers=self.readers,
                reaction_members=self.reaction_members,
                reward=rewards if self.reward is None else read_reward(self.reward),
            )
        except ValueError as error:
            raise InputError(str(error), "mend the option") from error


def start_of(day: str, days: int) -> int:
    """The midnight that begins a day such as 2026-01-05; "" means the last one that leaves time.

    Raises InputError: events and pages of the future are refused, so all days must be over by now.
    """
    if days > DAYS_MAX:
        raise InputError(f"--days: {days} are too many", f"give {DAYS_MAX} at most")
    latest_ms = (time.time_ns() // MS_NS // DAY_MS - days - AFTERWARDS_DAYS) * DAY_MS
    if not day:
        return latest_ms
    try:
        begin = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    except ValueError as error:
        raise InputError(f"--start: {day!r} is no day", "give one such as 2026-01-05") from error
    begin_ms = int(begin.timestamp() * 1000)
    if begin_ms < 0:
        raise InputError(f"--start: {day} is before 1970", "give a later day")
    if begin_ms > latest_ms:
        latest = datetime.fromtimestamp(latest_ms / 1000, UTC)
        raise InputError(
            f"--start: {days} days from {day}, and {AFTERWARDS_DAYS} in which pages are compared, "
            "are not over yet",
            f"give {latest:%Y-%m-%d} or an earlier day",
        )
    return begin_ms


def read_reward(path: Path) -> RewardConfig:
    """A table of worths by outcome, as JSON. Raises InputError that names what is missing."""
    try:
        values = json.loads(path.read_text())
        if not isinstance(values, dict):
            raise ValueError("it is no object")
        return RewardConfig.of_table(values)
    except (OSError, TypeError, ValueError) as error:
        raise InputError(
            f"--reward: {path}: {error}",
            'give a JSON object of every outcome, such as {"binge": 2.0, ...} (docs/alignment.md)',
        ) from error


@contextmanager
def _progress(console: Console) -> Iterator[Told]:
    with progress_bar(console) as progress:
        task = progress.add_task("", total=1.0, note="")
        told_s, stage = 0.0, ""

        def tell(now: Progress) -> None:
            nonlocal told_s, stage
            if now.stage != stage:
                stage, told_s = now.stage, 0.0
                progress.reset(task, description=stage)
            if time.monotonic() - told_s < TOLD_SECONDS:
                return
            told_s = time.monotonic()
            note = f"{now.sessions:,} sessions, {now.members:,} members"
            progress.update(task, completed=now.share, note=note)

        yield tell
