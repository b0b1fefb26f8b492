"""`pagecast train` from options to a registered model; the command's own file is its options."""

from dataclasses import dataclass
from pathlib import Path

from pagecast.cli.logs import configure_logging
from pagecast.cli.output import Output
from pagecast.cli.settings import Settings, load_settings
from pagecast.cli.training.aligning import align_model
from pagecast.cli.training.baseline import train_and_tell
from pagecast.cli.training.choices import Align, Profile, Promotion, Response
from pagecast.cli.training.job import Data
from pagecast.cli.training.model import train_model
from pagecast.cli.training.outcome import promoted, tell
from pagecast.cli.training.refusals import refuse
from pagecast.cli.training.task import run_task
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.job import TrainOutcome


@dataclass(frozen=True, kw_only=True)
class TrainCommand:
    """The command's options; `given` are the names of those on the command line."""

    given: frozenset[str]
    budget_minutes: float | None
    hold_out: float
    promote: Promotion
    profile: Profile | None
    response: Response | None
    resume: bool
    from_model: str | None
    incremental: bool
    align: Align | None
    task: Path | None
    whole: bool
    baseline: bool
    state_dir: Path | None
    database_url: str | None
    online_store_url: str | None
    as_json: bool

    def run(self) -> None:
        """Trains what was asked for, and reports it. Raises CliError that says what to do."""
        refuse(self.given)
        settings = self._settings()
        configure_logging(settings, level="warning")
        output, paths = Output(as_json=self.as_json), StatePaths(root=settings.state_dir)
        if self.baseline:
            train_and_tell(settings, paths, output, self.hold_out)
        elif self.task is not None:
            run_task(settings, paths, output, self.from_model, self.task, whole=self.whole)
        else:
            outcome = self._model(settings, paths, output)
            if outcome is not None:
                tell(output, promoted(settings, outcome, self.promote), outcome)

    def _model(self, settings: Settings, paths: StatePaths, output: Output) -> TrainOutcome | None:
        data, name = Data(hold_out=self.hold_out, resume=self.resume), self.from_model
        if self.align is not None:
            return align_model(settings, paths, output, name, data, self.align.value)
        return train_model(settings, paths, output, name, data, incremental=self.incremental)

    def _settings(self) -> Settings:
        return load_settings(
            state_dir=self.state_dir,
            database_url=self.database_url,
            online_store_url=self.online_store_url,
            train={
                "budget_minutes": self.budget_minutes,
                "profile": self.profile,
                "response": self.response,
            },
        )
