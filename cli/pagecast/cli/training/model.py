"""`pagecast train`, with `--from` and `--incremental`: a model from the feature store."""

from pagecast.cli.output import Output
from pagecast.cli.settings import Settings
from pagecast.cli.training.bar import training_bar
from pagecast.cli.training.beginning import beginning
from pagecast.cli.training.job import Data, opened_job, training_errors
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.job import TrainOutcome
from pagecast.trainer.train import fit_snapshot, train


def train_model(
    settings: Settings,
    paths: StatePaths,
    output: Output,
    from_model: str | None,
    data: Data,
    *,
    incremental: bool,
) -> TrainOutcome | None:
    """Trains, exports and registers. Raises CommandError and LockedError that say what to do.

    In torchrun's group all processes but the first return None.
    """
    begin = beginning(settings, paths, from_model, incremental=incremental)
    if begin.note:
        output.say(begin.note)
    with training_errors(), opened_job(settings, paths, begin, data) as (job, processes):
        if not processes.first:
            fit_snapshot(job)
            return None
        with training_bar(output.console) as bar:
            return train(job, bar)
