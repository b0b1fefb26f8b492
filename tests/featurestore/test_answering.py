"""A PostgreSQL that hangs behind an open connection, which the kernel does not notice."""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from factories import top_row, upsert
from factories_postgres import PostgresServer
from factories_relay import Relay, relayed

from pagecast.featurestore import answering
from pagecast.featurestore.catalog.catalog import Catalog, CatalogFollower
from pagecast.featurestore.database import Lock, connect, exclusive, migrate
from pagecast.featurestore.positions import LogOffset

SECONDS_MAX = 0.3

_databases = itertools.count()


@pytest.fixture
def relay(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    monkeypatch.setattr(answering, "ANSWER_SECONDS_MAX", SECONDS_MAX)
    with relayed(postgres) as relay:
        yield relay


@pytest.fixture
def engine(relay: Relay, postgres: PostgresServer, tables: str) -> Iterator[sa.Engine]:
    """Connected already, through the relay, to a database of its own."""
    name = f"answering_{next(_databases)}"
    postgres.create(name, template=tables)
    engine = connect(relay.url(name))
    engine.connect().close()
    yield engine
    engine.dispose()


def one(engine: sa.Engine) -> object:
    with engine.connect() as connection:
        return connection.exec_driver_sql("SELECT 1").scalar()


def test_a_statement_that_is_not_answered_is_given_up(relay: Relay, engine: sa.Engine) -> None:
    with ThreadPoolExecutor(1) as asking, engine.connect() as connection:
        with relay.hanging(), pytest.raises(sa.exc.OperationalError, match="has not answered"):
            asking.submit(connection.exec_driver_sql, "SELECT 1").result(10)
        assert connection.invalidated
    assert one(engine) == 1, "who asks then has another connection"


def test_an_answer_takes_as_long_as_it_goes_on(engine: sa.Engine) -> None:
    row = "SELECT repeat('x', 100000) FROM (SELECT pg_sleep(0.1)) AS slept"
    with engine.connect() as connection:
        began_s = time.monotonic()
        found = connection.exec_driver_sql(" UNION ALL ".join([row] * 10)).all()
    assert len(found) == 10
    assert time.monotonic() - began_s > SECONDS_MAX


def test_a_follower_goes_on_with_the_server_that_took_its_place(
    relay: Relay, engine: sa.Engine, postgres: PostgresServer
) -> None:
    with CatalogFollower(Catalog(engine), poll_ms=10) as follower, relay.replaced():
        other = connect(postgres.url(str(engine.url.database)))
        offset = LogOffset(topic_id="t", partition=0, offset=0)
        assert Catalog(other).apply([(offset, upsert(top_row()))]) == 1
        other.dispose()
        assert follower.wait_for(1, 30)


def test_another_s_migration_is_waited_for_however_long_it_takes(engine: sa.Engine) -> None:
    with ThreadPoolExecutor(1) as waiting:
        with exclusive(engine, Lock.MIGRATION):
            migrated = waiting.submit(migrate, engine)
            time.sleep(SECONDS_MAX * 3)
            assert not migrated.done()
        migrated.result(30)
    with engine.connect() as connection, pytest.raises(sa.exc.OperationalError):
        connection.exec_driver_sql(f"SELECT pg_sleep({SECONDS_MAX * 100})")
