"""The database of catalog and registry, opened as the settings say."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from pagecast.cli.exits import InputError, NotRunningError
from pagecast.cli.output import report_warning
from pagecast.cli.settings import Settings
from pagecast.cli.state_folder import writable
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.state import StatePaths


def database_url(settings: Settings) -> str:
    return settings.database_url or StatePaths(root=settings.state_dir).database_url


@contextmanager
def open_database(settings: Settings) -> Iterator[sa.Engine]:
    """A migrated database, closed at the end; reports if it was created.

    Raises NotRunningError if it does not answer, InputError if it cannot be used.
    """
    paths = StatePaths(root=settings.state_dir)
    if not settings.database_url and not paths.database.exists():
        report_warning(
            f"{settings.state_dir} has no database yet and gets an empty one; "
            "another folder is named with --state-dir"
        )
    with _opened(settings) as engine:
        yield engine


def check_database(settings: Settings) -> None:
    """For callers that then open it themselves. Raises as `open_database` does."""
    with _opened(settings):
        pass


@contextmanager
def _opened(settings: Settings) -> Iterator[sa.Engine]:
    engine = _connected(settings)
    try:
        try:
            migrate(engine)
        except sa.exc.OperationalError as error:
            raise NotRunningError(
                f"the database {_where(engine)} does not answer: {error.orig}",
                "start it, or mend database_url",
            ) from error
        except sa.exc.DatabaseError as error:
            raise InputError(
                f"{_where(engine)} cannot be used as our database: {error.orig}",
                "mend database_url or the state directory, or put a backup back",
            ) from error
        yield engine
    finally:
        engine.dispose()


def _connected(settings: Settings) -> sa.Engine:
    try:
        with writable(settings.state_dir):
            return connect(database_url(settings))
    except sa.exc.ArgumentError as error:
        raise InputError(
            "database_url: no URL of a database", "for example postgresql+psycopg://HOST/NAME"
        ) from error


def _where(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
