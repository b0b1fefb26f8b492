"""How much room a store needs for a user."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from pagecast.featurestore.state import StatePaths


def bytes_per_user(
    paths: StatePaths, url: str | None, users: Sequence[str], write: Callable[[], None]
) -> float:
    """How much a file, or a server's memory, grows while `write` writes these users."""
    before = _bytes_used(paths, url)
    write()
    return (_bytes_used(paths, url) - before) / len(users)


def _bytes_used(paths: StatePaths, url: str | None) -> int:
    if url is None:
        with closing(sqlite3.connect(paths.online_db)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return paths.online_db.stat().st_size
    from redis import Redis

    with Redis.from_url(url) as client:
        facts: Any = client.info("memory")
        # Without what the server needs for connections and the like.
        return int(facts["used_memory_dataset"])
