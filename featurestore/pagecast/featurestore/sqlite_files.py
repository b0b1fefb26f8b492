"""How SQLite files are opened: many readers beside one writer, in several processes."""

import sqlite3
import time

BUSY_TIMEOUT_MS = 10_000
"""A writer waits this long for another before it fails; transactions take milliseconds."""

_RETRY_MS = 10


def configure(connection: sqlite3.Connection) -> None:
    """Write-ahead logging and patience. Raises sqlite3.OperationalError after BUSY_TIMEOUT_MS.

    While a file changes over to write-ahead logging, SQLite answers "locked" to others at once,
    whatever the timeout: that happens when several processes open a new file together.
    """
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_MS / 1000)
        else:
            return
