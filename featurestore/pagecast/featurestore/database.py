"""The database of catalog, popularity and model registry: SQLite or PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from sqlite3 import Connection as SqliteConnection

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.pool import ConnectionPoolEntry

from pagecast.featurestore import sqlite_files

_MIGRATIONS = Path(__file__).parent / "migrations"

_EXCLUSIVE = "pagecast_exclusive"


class Lock(IntEnum):
    """What a transaction excludes others from; the keys of PostgreSQL's advisory locks."""

    MIGRATION = 0x7061_6765_0001
    CATALOG = 0x7061_6765_0002
    POPULARITY = 0x7061_6765_0003
    REGISTRY = 0x7061_6765_0004
    ERASURES = 0x7061_6765_0005
    TRIGGERS = 0x7061_6765_0006
    REPLAYS = 0x7061_6765_0007
    EXPERIMENTS = 0x7061_6765_0008


class DatabaseNewerError(RuntimeError):
    """A newer Pagecast has migrated the database; this one must not write to it."""


def connect(url: str) -> sa.Engine:
    """An engine for a SQLAlchemy URL, `sqlite:///PATH` or `postgresql://...`.

    Safe for threads; create it after forking. Call `dispose` on it in the end.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def exclusive(engine: sa.Engine, lock: Lock) -> Iterator[sa.Connection]:
    """A transaction that reads what it then writes: one at a time, in all processes."""
    options = {_EXCLUSIVE: True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(int(lock))))
        yield connection


def migrate(engine: sa.Engine) -> None:
    """Brings the tables to this version's state; several processes may call it at once.

    Raises DatabaseNewerError.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with exclusive(engine, Lock.MIGRATION) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            head = ScriptDirectory.from_config(config).get_current_head()
            raise DatabaseNewerError(
                f"the database is not at a revision this version knows (newest: {head}): "
                f"upgrade Pagecast or choose another database_url ({error})"
            ) from error


def _configure_sqlite(connection: SqliteConnection, _: ConnectionPoolEntry) -> None:
    # The driver's own transactions begin too late: a read before the first write would be
    # outside of them. `_begin_sqlite` says BEGIN instead.
    connection.isolation_level = None
    sqlite_files.configure(connection)
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    exclusively = connection.get_execution_options().get(_EXCLUSIVE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if exclusively else "BEGIN")
