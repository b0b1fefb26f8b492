import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from factories_forking import forking
from factories_postgres import PostgresServer
from factories_silent import silent_host, silent_postgresql
from featurestore.factories_processes import migrate_when_told

from pagecast.featurestore import database
from pagecast.featurestore.database import (
    CONNECT_SECONDS_MAX,
    SILENCE_SECONDS_MAX,
    DatabaseNewerError,
    Lock,
    connect,
    exclusive,
    migrate,
)
from pagecast.featurestore.experiments.tables import ExperimentRow
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.tables import LogPositionRow


def test_the_tables_are_what_the_migrations_make(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, ExperimentRow.metadata) == []


def test_migrating_again_changes_nothing(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.insert(LogPositionRow).values(consumer="c", topic_id="t", partition=0, next_offset=1)
        )
    migrate(engine)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(LogPositionRow)) == 1


def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    context, pipes, processes = forking(), [], []
    for _ in range(3):
        ours, theirs = context.Pipe()
        process = context.Process(target=migrate_when_told, args=(database_url, theirs))
        process.start()
        pipes.append(ours)
        processes.append(process)
    for pipe in pipes:
        assert pipe.poll(60), "it did not connect"
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 3, "what they raised is on stderr"
    engine = connect(database_url)
    assert "catalog_versions" in sa.inspect(engine).get_table_names()
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'from-the-future'")
    with pytest.raises(DatabaseNewerError, match="upgrade Pagecast"):
        migrate(engine)


def test_an_exclusive_transaction_that_fails_leaves_nothing(engine: sa.Engine) -> None:
    row = LogPositionRow
    with pytest.raises(ZeroDivisionError), exclusive(engine, Lock.CATALOG) as connection:
        connection.execute(
            sa.insert(row).values(consumer="c", topic_id="t", partition=0, next_offset=1)
        )
        _ = 1 / 0
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(row)) == 0


def test_sqlite_lets_readers_read_while_one_writes(sqlite_engine: sa.Engine) -> None:
    with exclusive(sqlite_engine, Lock.CATALOG), sqlite_engine.connect() as reader:
        assert reader.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert reader.scalar(sa.select(sa.func.count()).select_from(LogPositionRow)) == 0


def test_the_default_url_is_in_the_state_directory(tmp_path: Path) -> None:
    paths = StatePaths(root=tmp_path / "new")
    engine = connect(paths.database_url)
    migrate(engine)
    engine.dispose()
    assert (tmp_path / "new" / "pagecast.db").exists()


def test_a_postgresql_that_accepts_and_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(database._POSTGRESQL_LIMITS, "connect_timeout", 2)
    with silent_host() as port:
        engine = connect(silent_postgresql(port))
        began_s = time.monotonic()
        with pytest.raises(sa.exc.OperationalError, match="timeout"):
            engine.connect()
        assert time.monotonic() - began_s < 10
        engine.dispose()


def test_a_connection_to_postgresql_has_limits_unless_the_url_says_other_ones(
    postgres: PostgresServer,
) -> None:
    for options, seconds in (("", CONNECT_SECONDS_MAX), ("&connect_timeout=7", 7)):
        engine = connect(postgres.url() + options)
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            limits = driver.info.get_parameters()
            assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"
        engine.dispose()
        assert limits["connect_timeout"] == str(seconds)
        assert limits["tcp_user_timeout"] == str(SILENCE_SECONDS_MAX * 1000)
        assert limits["keepalives_idle"] == "15"
