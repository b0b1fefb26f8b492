"""The database of catalog and registry, opened as the settings say."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from pagecast.cli.exits import NotRunningError
from pagecast.cli.settings import Settings
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.state import StatePaths


def database_url(settings: Settings) -> str:
    return settings.database_url or StatePaths(root=settings.state_dir).database_url


@contextmanager
def open_database(settings: Settings) -> Iterator[sa.Engine]:
    """A migrated database, closed at the end. Raises NotRunningError if it does not answer."""
    engine = connect(database_url(settings))
    try:
        try:
            migrate(engine)
        except sa.exc.OperationalError as error:
            where = engine.url.render_as_string(hide_password=True)
            raise NotRunningError(
                f"the database {where} does not answer: {error.orig}",
                "start it, or mend database_url",
            ) from error
        yield engine
    finally:
        engine.dispose()
