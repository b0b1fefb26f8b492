"""Databases with this version's tables, as copies: migrating one costs 70 ms of CPU, and hundreds
of tests need one. What migrations do is tested where they are not copied (test_migrations)."""

import functools
import tempfile
from pathlib import Path

import sqlalchemy as sa

from pagecast.featurestore.database import connect, migrate

_READ_VERSIONS = slice(18, 20)
"""In the header of a SQLite file: 2 says write-ahead logging, which memory has not, 1 says none."""


def migrated(url: str) -> sa.Engine:
    """As `connect`, to a database that has its tables. A new one of SQLite is a copy."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file():
        engine = connect(url)
        migrate(engine)
        return engine
    if parsed.database:
        file = Path(parsed.database)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_tables())
        return connect(url)
    engine = connect(url)
    tables = bytearray(_tables())
    tables[_READ_VERSIONS] = b"\x01\x01"
    connection = engine.raw_connection()
    assert connection.driver_connection is not None
    connection.driver_connection.deserialize(bytes(tables))
    connection.close()
    return engine


@functools.cache
def _tables() -> bytes:
    """The file of a migrated SQLite database."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migrated.db"
        engine = connect(f"sqlite:///{file}")
        migrate(engine)
        engine.dispose()
        assert [path.name for path in Path(folder).iterdir()] == [file.name], "all is in one file"
        return file.read_bytes()
