"""Lanes whose stores can be taken away for a while and given back, with all that is in them."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from factories_postgres import PostgresServer, postgres_server
from factories_stores import ValkeyServer, valkey_server
from streaming.factories_lanes import Lane

Away = Callable[[], AbstractContextManager[None]]

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
"""A Valkey server that has, after a kill, all that it has acknowledged."""


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Somebody else writes to an SQLite file, and does not end."""
    connection = sqlite3.connect(database, isolation_level=None, timeout=30)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


@contextmanager
def killed(server: ValkeyServer | PostgresServer) -> Iterator[None]:
    """A server that is not there, and then comes back with its data."""
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextmanager
def outages(bootstrap: str, root: Path, kinds: list[str]) -> Iterator[list[tuple[Lane, Away]]]:
    """A lane for each kind of outage, named by it, and how to take its store away."""
    with ExitStack() as exits:
        yield [
            _outage(kind, Lane(bootstrap=bootstrap, name=kind, root=root), exits) for kind in kinds
        ]


def _outage(kind: str, lane: Lane, exits: ExitStack) -> tuple[Lane, Away]:
    match kind:
        case "sqlite-online-locked":
            return lane, lambda: locked(lane.paths.online_db)
        case "sqlite-database-locked":
            return lane, lambda: locked(lane.paths.root / "pagecast.db")
        case "valkey-killed" | "valkey-halted":
            valkey = exits.enter_context(valkey_server(lane.root / f"{kind}-server", *DURABLE))
            lane = replace(lane, changes={"online_store_url": valkey.url})
            return lane, valkey.halted if kind == "valkey-halted" else lambda: killed(valkey)
        case "postgres-killed":
            postgres = exits.enter_context(postgres_server())
            lane = replace(lane, changes={"database_url": postgres.create("lane")})
            return lane, lambda: killed(postgres)
    raise ValueError(kind)


def work_through(
    lane: Lane, away: Away, seconds: float, send: Callable[[], dict[tuple[str, int], int]]
) -> float:
    """Lets one worker work before, during and after an outage; returns how long it then needed."""
    worker = lane.worker(batch=1000)
    try:
        worker.wait_ready()
        lane.wait(send())
        with away():
            time.sleep(seconds)
        began_s = time.monotonic()
        lane.wait(send())
        took_s = time.monotonic() - began_s
        assert worker.exitcode is None, "it has waited, and not ended"
        worker.stop()
    finally:
        worker.kill()
    return took_s
