"""Trainings as callers see them: each request counts once, however often it is repeated."""

import time
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.models.records import CHAMPION
from pagecast.featurestore.models.registry_rows import alias_row, version_exists
from pagecast.featurestore.tables import DETAIL_CHARACTERS_MAX, ID_CHARACTERS_MAX, TrainingRow
from pagecast.featurestore.trainings.orders import OrderError, TrainingOrder
from pagecast.featurestore.trainings.records import ENDED, Training, TrainingState, training_of

WAITING_MAX = 100
"""Trainings that wait: more come from a loop, and would train for days on what is old by then."""

LISTED_MAX = 100
"""Trainings of one listing."""


class TrainingUnknown(LookupError):  # noqa: N818 - named by what is wrong, as the RPCs' reasons are
    """No training has this request id."""


class RequestDiffers(ValueError):  # noqa: N818
    """The request id was used before, for another order."""


class QueueFull(RuntimeError):  # noqa: N818
    """No more trainings may wait."""


class Trainings:
    """The trainings of a migrated database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def ask(
        self, request_id: str, order: TrainingOrder, *, asked_by: str, detail: str = ""
    ) -> Training:
        """Asks for a training; asked again with the same id and order, returns the one there is.

        Raises OrderError for an id or a detail that cannot be kept and for an unknown base,
        RequestDiffers, QueueFull.
        """
        _check(request_id, detail)
        with exclusive(self._engine, Lock.TRAININGS) as connection:
            there = _found(connection, request_id)
            if there is not None:
                if there.order != order:
                    raise RequestDiffers(
                        f"request_id: {request_id!r} was used for another order: take a new id"
                    )
                return there
            _check_base(connection, order.base_version)
            waiting = sa.select(sa.func.count()).where(TrainingRow.state == TrainingState.WAITING)
            if connection.execute(waiting).scalar_one() >= WAITING_MAX:
                raise QueueFull(
                    f"{WAITING_MAX} trainings wait already: start a trainer, or cancel some"
                )
            connection.execute(
                sa.insert(TrainingRow).values(
                    request_id=request_id,
                    asked_by=asked_by,
                    detail=detail,
                    order=order.to_json(),
                    beside=order.beside,
                    state=TrainingState.WAITING,
                    asked_at_ms=now_ms(),
                    attempt=0,
                    crashes=0,
                    holder="",
                    error="",
                )
            )
            return _known(connection, request_id)

    def get(self, request_id: str) -> Training:
        """Raises TrainingUnknown."""
        with self._engine.connect() as connection:
            return _known(connection, request_id)

    def list(
        self, limit: int = LISTED_MAX, states: Sequence[TrainingState] = ()
    ) -> tuple[Training, ...]:
        """Newest first; without `states`, those in any state."""
        statement = sa.select(TrainingRow).order_by(TrainingRow.id.desc()).limit(limit)
        if states:
            statement = statement.where(TrainingRow.state.in_(states))
        with self._engine.connect() as connection:
            return tuple(training_of(row) for row in connection.execute(statement))

    def ended(self, ids: Collection[int]) -> frozenset[int]:
        """Which of these have ended; one that is not known has not."""
        row = TrainingRow
        statement = sa.select(row.id).where(row.id.in_(ids), row.state.in_(ENDED))
        with self._engine.connect() as connection:
            return frozenset(connection.execute(statement).scalars())

    def cancel(self, request_id: str) -> Training:
        """Ends a training that waits at once; one that runs is ended by its trainer, soon.

        One that has ended stays as it is. Raises TrainingUnknown.
        """
        at_ms = now_ms()
        with exclusive(self._engine, Lock.TRAININGS) as connection:
            training = _known(connection, request_id)
            if training.state.ended or training.cancel_asked_at_ms is not None:
                return training
            values: dict[str, object] = {"cancel_asked_at_ms": at_ms}
            if training.state is TrainingState.WAITING:
                values |= {"state": TrainingState.CANCELLED, "ended_at_ms": at_ms}
            row = TrainingRow
            connection.execute(sa.update(row).where(row.id == training.id).values(**values))
            return _known(connection, request_id)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _check(request_id: str, detail: str) -> None:
    if not 0 < len(request_id) <= ID_CHARACTERS_MAX or not request_id.isprintable():
        raise OrderError(
            "request_id", f"must be 1 to {ID_CHARACTERS_MAX} characters, none of them a control"
        )
    if len(detail) > DETAIL_CHARACTERS_MAX:
        raise OrderError("detail", f"at most {DETAIL_CHARACTERS_MAX} characters are kept")
    if "\0" in detail:
        # PostgreSQL has no such text.
        raise OrderError("detail", "holds the character NUL: leave it out")


def _check_base(connection: sa.Connection, name: str) -> None:
    """Tells the caller of a misspelled base, not hours later whoever looks at the queue."""
    if name in ("", CHAMPION):  # a training that waits before this one may yet make the first one
        return
    if alias_row(connection, name) is None and not version_exists(connection, name):
        raise OrderError(
            "base_version", f"no model or alias is called {name!r}: see `pagecast models list`"
        )


def _found(connection: sa.Connection, request_id: str) -> Training | None:
    statement = sa.select(TrainingRow).where(TrainingRow.request_id == request_id)
    row = connection.execute(statement).first()
    return None if row is None else training_of(row)


def _known(connection: sa.Connection, request_id: str) -> Training:
    found = _found(connection, request_id)
    if found is None:
        raise TrainingUnknown(
            f"request_id: no training {request_id!r} was asked for; see `pagecast trainings list`"
        )
    return found
