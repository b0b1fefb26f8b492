"""What `pagecast train` begins from, by `--from` and `--incremental`."""

from pagecast.cli.database import open_database
from pagecast.cli.exits import CommandError
from pagecast.cli.settings import Settings
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.starts.base import BaseError
from pagecast.trainer.starts.beginning import Beginning, begin_from, go_on_from


def beginning(
    settings: Settings, paths: StatePaths, name: str | None, *, incremental: bool
) -> Beginning:
    """Resolves what was asked for; an incremental run goes on from the champion by default.

    Raises CommandError for a model that does not exist or cannot be begun from.
    """
    if name is None and not incremental:
        return Beginning()
    with open_database(settings) as engine:
        registry = Registry(engine)
        try:
            if name is not None and not incremental:
                return begin_from(registry, paths.bundles, name)
            full_every = settings.train.incremental.config().full_every
            return go_on_from(registry, paths.bundles, name or "", full_every)
        except BaseError as error:
            raise CommandError(str(error)) from error
