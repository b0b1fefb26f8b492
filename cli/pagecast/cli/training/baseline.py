"""`pagecast train --baseline`: the multi-stage baseline, registered as an arm's alias."""

from pagecast.cli.exits import CommandError
from pagecast.cli.output import Output
from pagecast.cli.settings import Settings
from pagecast.cli.training.source import training_source
from pagecast.engine.multi_stage.manifest import MULTI_STAGE
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.snapshot import NothingToTrainError, positions_before_last
from pagecast.trainer.multi_stage.train import train_baseline


def train_and_tell(settings: Settings, paths: StatePaths, output: Output, hold_out: float) -> None:
    """Trains on the data a model would be trained on. Raises CommandError."""
    with training_source(
        paths, settings.database_url, settings.online_store_url, settings.fold.config()
    ) as source:
        try:
            until = positions_before_last(paths, hold_out) if hold_out else None
            manifest = train_baseline(source, until, told=output.say)
        except NothingToTrainError as error:
            raise CommandError(str(error)) from error
    facts = [("version", manifest.version), ("alias", MULTI_STAGE)]
    facts += [(name, f"{value:.4f}") for name, value in sorted(manifest.metrics.items())]
    output.table("", ("", ""), facts)
    output.document(
        {
            "version": manifest.version,
            "aliases": [MULTI_STAGE],
            "kind": manifest.kind,
            "bundle": str(paths.bundles / manifest.version),
            "metrics": manifest.metrics,
        }
    )
