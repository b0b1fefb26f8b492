"""The database of catalog, popularity and model registry: SQLite or PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.pool import ConnectionPoolEntry

from pagecast.featurestore import sqlite_files

_MIGRATIONS = Path(__file__).parent / "migrations"

_EXCLUSIVE = "pagecast_exclusive"


CONNECT_SECONDS_MAX = 10
"""A PostgreSQL that accepts a connection and does not answer counts as away; by the driver's
default a caller would learn of it only after two minutes."""

SILENCE_SECONDS_MAX = 30
"""A host that has vanished without a word is noticed within this time; the kernel's own defaults
are a quarter of an hour for data sent, and two hours for an awaited answer."""

_POSTGRESQL_LIMITS = {
    "connect_timeout": CONNECT_SECONDS_MAX,
    "tcp_user_timeout": SILENCE_SECONDS_MAX * 1000,
    "keepalives_idle": SILENCE_SECONDS_MAX // 2,
    "keepalives_interval": SILENCE_SECONDS_MAX // 6,
    "keepalives_count": 3,
}
"""As libpq names them. None notices a server that is up but hangs (`answering` does), and none
bounds a statement: a caller that cannot wait gives up by itself."""


class Lock(IntEnum):
    """What a transaction excludes others from; the keys of PostgreSQL's advisory locks."""

    MIGRATION = 0x7061_6765_0001
    CATALOG = 0x7061_6765_0002
    POPULARITY = 0x7061_6765_0003
    REGISTRY = 0x7061_6765_0004
    ERASURES = 0x7061_6765_0005
    TRIGGERS = 0x7061_6765_0006
    REPLAYS = 0x7061_6765_0007
    TRAININGS = 0x7061_6765_0008
    EXPERIMENTS = 0x7061_6765_0009


class DatabaseNewerError(RuntimeError):
    """A newer Pagecast has migrated the database; this one must not write to it."""


def connect(url: str) -> sa.Engine:
    """An engine for a SQLAlchemy URL, `sqlite:///PATH` or `postgresql://...`.

    Safe for threads; create it after forking. Call `dispose` on it in the end.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        parsed,
        pool_pre_ping=parsed.get_backend_name() != "sqlite",
        connect_args=_limits_of_connections(parsed),
    )
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    elif engine.driver == "psycopg":
        sa.event.listen(engine, "do_connect", _connect_psycopg)
    return engine


def _limits_of_connections(url: sa.URL) -> dict[str, int]:
    """The limits that the URL does not set itself; a database in a file has none."""
    if not url.drivername.startswith("postgresql"):
        return {}
    return {name: value for name, value in _POSTGRESQL_LIMITS.items() if name not in url.query}


@contextmanager
def exclusive(engine: sa.Engine, lock: Lock) -> Iterator[sa.Connection]:
    """A transaction that reads what it then writes: one at a time, across all processes."""
    options = {_EXCLUSIVE: True}
    with engine.connect().execution_options(**options) as connection:
        if lock is Lock.MIGRATION and engine.driver == "psycopg":
            _wait_without_end(connection)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(int(lock))))
            yield connection


def migrate(engine: sa.Engine) -> None:
    """Brings the tables to this version's state; several processes may call it at once.

    Raises DatabaseNewerError.
    """
    with exclusive(engine, Lock.MIGRATION) as connection, _refusing_newer():
        command.upgrade(_config(connection), "head")


def migrate_down(engine: sa.Engine, revision: str) -> None:
    """Takes the tables back to an older revision's, before an older Pagecast is started on them.

    What only the newer tables hold is lost; nothing else is. Raises DatabaseNewerError, and
    ValueError for a revision that does not exist or is not below the database's.
    """
    with exclusive(engine, Lock.MIGRATION) as connection, _refusing_newer():
        at, known = _revision(connection), revisions()
        below = known[: known.index(at)] if at in known else []
        if revision not in below and (at is None or at in known):
            raise ValueError(
                f"revision: {revision!r} is not below the database's ({at}): "
                f"name one of {', '.join(below) or 'none'}"
            )
        command.downgrade(_config(connection), revision)


def revisions() -> list[str]:
    """Every revision this version knows, oldest first."""
    script = ScriptDirectory.from_config(_config(None))
    return [each.revision for each in reversed(list(script.walk_revisions()))]


def revision_of(engine: sa.Engine) -> str | None:
    """The revision a database is at; None if it has no tables yet."""
    with engine.connect() as connection:
        return _revision(connection)


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: sa.Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _refusing_newer() -> Iterator[None]:
    """alembic does not know a revision that a newer Pagecast made. Raises DatabaseNewerError."""
    try:
        yield
    except CommandError as error:
        raise DatabaseNewerError(
            f"the database is not at a revision this version knows (newest: {revisions()[-1]}): "
            f"upgrade Pagecast or choose another database_url ({error})"
        ) from error


def _wait_without_end(connection: sa.Connection) -> None:
    """A migration may take minutes, and so may waiting for another's."""
    driver: Any = connection.connection.driver_connection
    driver.is_patient = True
    # Out of the pool: whoever had it next would wait without end, too.
    connection.detach()


def _connect_psycopg(
    _dialect: sa.Dialect, _entry: ConnectionPoolEntry, args: list[Any], named: dict[str, Any]
) -> Any:
    # Imported here: the driver is installed only where PostgreSQL is used.
    from pagecast.featurestore.answering import AnsweringConnection

    return AnsweringConnection.connect(*args, **named)


def _configure_sqlite(connection: SqliteConnection, _: ConnectionPoolEntry) -> None:
    # The driver's own transactions begin too late: a read before the first write would be
    # outside of them. `_begin_sqlite` says BEGIN instead.
    connection.isolation_level = None
    sqlite_files.configure(connection)
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    exclusively = connection.get_execution_options().get(_EXCLUSIVE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if exclusively else "BEGIN")
