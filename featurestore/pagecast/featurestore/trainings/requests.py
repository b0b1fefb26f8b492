"""Requests to train, written in the transaction of their cause and kept until the log has them.

If a process dies in between, the request is published later, with the same id.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from pagecast.featurestore.tables import TrainingRequestRow

PUBLISHING_MS_MAX = 30_000
"""How long a request is left to the process that made it, before others publish it as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """One request; `trigger` says why and `detail` tells it to people."""

    request_id: str
    trigger: str
    detail: str
    occurred_at_ms: int


def add_request(connection: sa.Connection, request: TrainingRequest) -> None:
    """Writes a request that is to be published, in the transaction of its cause."""
    values = {name: getattr(request, name) for name in TrainingRequest.__slots__}
    connection.execute(sa.insert(TrainingRequestRow).values(values))


def newest_request_ms(connection: sa.Connection) -> int:
    """When the newest request was made; 0 if there is none."""
    newest = sa.select(sa.func.max(TrainingRequestRow.occurred_at_ms))
    return connection.execute(newest).scalar_one() or 0


class TrainingRequests:
    """The requests of a migrated database, as their publisher sees them."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._row = TrainingRequestRow

    def unpublished(self, made_here: str | None, now_ms: int) -> list[TrainingRequest]:
        """The one made here, if it is unpublished, and those that others have left unpublished."""
        row = self._row
        statement = (
            sa.select(*(getattr(row, name) for name in TrainingRequest.__slots__))
            .where(
                row.published_at_ms.is_(None),
                sa.or_(
                    row.request_id == made_here, row.occurred_at_ms <= now_ms - PUBLISHING_MS_MAX
                ),
            )
            .order_by(row.occurred_at_ms)
        )
        with self._engine.connect() as connection:
            return [TrainingRequest(**found) for found in connection.execute(statement).mappings()]

    def mark_published(self, request_id: str, at_ms: int) -> None:
        """To be called once the event log has acknowledged the request."""
        statement = (
            sa.update(self._row)
            .where(self._row.request_id == request_id)
            .values(published_at_ms=at_ms)
        )
        with self._engine.begin() as connection:
            connection.execute(statement)
