"""Real databases and stores: SQLite in a file; PostgreSQL and Valkey servers from wheels."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from factories_databases import migrated
from factories_postgres import PostgresServer, postgres_server
from factories_stores import ValkeyServer, valkey_server

from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths

_databases = itertools.count()

_VALKEY_DATABASES = 1000
"""One a test; a server has 16 otherwise."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that all tests share; none of them stops it."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def tables(postgres: PostgresServer) -> str:
    """A database of the server with this version's tables, to be copied."""
    name = "tables"
    migrated(postgres.create(name)).dispose()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without tables, or, of PostgreSQL and for `engine`, with them."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'pagecast.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"test_{next(_databases)}"
    if "engine" not in request.fixturenames:
        return server.create(name)
    return server.create(name, template=request.getfixturevalue("tables"))


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A migrated database."""
    made = migrated(database_url)
    yield made
    made.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[sa.Engine]:
    """A migrated SQLite database, where the server makes no difference."""
    made = migrated(f"sqlite:///{tmp_path / 'pagecast.db'}")
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A server that all tests share; none of them stops it."""
    folder = tmp_path_factory.mktemp("valkey")
    with valkey_server(folder, "--databases", str(_VALKEY_DATABASES)) as server:
        yield server


@pytest.fixture(params=["sqlite", "valkey"])
def online_store_url(request: pytest.FixtureRequest) -> str | None:
    """Of an empty online store; None is SQLite in the state directory."""
    if request.param == "sqlite":
        return None
    server: ValkeyServer = request.getfixturevalue("valkey")
    return f"{server.url}/{next(_databases) % _VALKEY_DATABASES}"


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return StatePaths(root=tmp_path / "state")


@pytest.fixture
def online(paths: StatePaths, online_store_url: str | None) -> Iterator[OnlineFeatures]:
    features = OnlineFeatures.open(paths, online_store_url)
    yield features
    features.close()
