"""Rows of trainings, within the caller's transaction."""

from typing import Any

import sqlalchemy as sa

from pagecast.featurestore.tables import ERROR_CHARACTERS_MAX, TrainingRow
from pagecast.featurestore.trainings.orders import TrainingOrder
from pagecast.featurestore.trainings.records import Claim, TrainingState


def rows_of(connection: sa.Connection, state: TrainingState) -> list[sa.Row[Any]]:
    row = TrainingRow
    statement = sa.select(row).where(row.state == state).order_by(row.id)
    return list(connection.execute(statement))


def lives(row: sa.Row[Any], at_ms: int) -> bool:
    """Whether the lease still runs or, of a training that waits, its pause."""
    return row.lease_until_ms is not None and bool(row.lease_until_ms > at_ms)


def claimable(connection: sa.Connection, at_ms: int) -> list[sa.Row[Any]]:
    """What nobody runs, oldest first: dead trainers' trainings, and those whose pause is over."""
    running = rows_of(connection, TrainingState.RUNNING)
    waiting = rows_of(connection, TrainingState.WAITING)
    free = [row for row in (*running, *waiting) if not lives(row, at_ms)]
    return sorted(free, key=lambda row: row.id)


def shorten_leases(connection: sa.Connection, longer_than_ms: int, to_ms: int) -> None:
    """Shortens leases and pauses that go on beyond a moment, to another one: a holder that lives
    has renewed its own by then."""
    row = TrainingRow
    statement = sa.update(row).where(row.lease_until_ms > longer_than_ms)
    connection.execute(statement.values(lease_until_ms=to_ms))


def taken_row(
    connection: sa.Connection, row: sa.Row[Any], holder: str, at_ms: int, lease_ms: int
) -> Claim | None:
    table = TrainingRow
    was = (table.id == row.id, table.attempt == row.attempt, table.state == row.state)
    taken = connection.execute(
        sa.update(table)
        .where(*was)
        .values(
            state=TrainingState.RUNNING,
            attempt=row.attempt + 1,
            crashes=row.crashes + (row.state == TrainingState.RUNNING),
            holder=holder,
            lease_until_ms=at_ms + lease_ms,
            started_at_ms=row.started_at_ms or at_ms,
            error="",
        )
    )
    if taken.rowcount == 0:
        return None
    return claim_of(connection.execute(sa.select(table).where(table.id == row.id)).one())


def claim_of(row: sa.Row[Any]) -> Claim:
    order = TrainingOrder.from_json(row.order)
    return Claim(id=row.id, attempt=row.attempt, request_id=row.request_id, order=order)


def held(training_id: int, attempt: int) -> sa.Select[Any]:
    row = TrainingRow
    mine = (row.id == training_id, row.attempt == attempt)
    return sa.select(row).where(*mine, row.state == TrainingState.RUNNING)


def end_row(
    connection: sa.Connection,
    row: sa.Row[Any],
    state: TrainingState,
    at_ms: int,
    *,
    error: str = "",
) -> None:
    values = {"state": state, "ended_at_ms": at_ms, "lease_until_ms": None}
    values["error"] = error[:ERROR_CHARACTERS_MAX]
    statement = sa.update(TrainingRow).where(TrainingRow.id == row.id)
    connection.execute(statement.values(**values))
