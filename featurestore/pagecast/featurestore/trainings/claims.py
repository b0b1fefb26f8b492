"""Trainings as trainers see them: each is run by one, and by another if that one dies.

A claim is a conditional update that raises `attempt`; everything a claimant writes is conditional
on its attempt. So a trainer that was taken for dead and comes back can change nothing.
"""

from typing import Any

import sqlalchemy as sa

from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.tables import ERROR_CHARACTERS_MAX, TrainingRow
from pagecast.featurestore.trainings.records import (
    Claim,
    Pinned,
    TrainingProgress,
    TrainingState,
)
from pagecast.featurestore.trainings.rows import (
    claim_of,
    claimable,
    end_row,
    held,
    lives,
    rows_of,
    shorten_leases,
    taken_row,
)
from pagecast.featurestore.trainings.trainings import now_ms

CRASHES_MAX = 5
"""How often a training's process may end before the training does. Without a bound, one that runs
out of memory would be tried for ever; one whose machine is restarted every night ends in time."""


LEASE_MS_MAX = 600_000
"""The longest lease, and more than the longest pause. One that runs longer was given by a clock
that has gone back since: believed, it would hold a dead trainer's training for as long."""


class ClaimLost(RuntimeError):  # noqa: N818 - named by what is wrong, as the others are
    """The training is another trainer's by now, or has ended."""


class TrainingClaims:
    """Claims of a migrated database, for any number of trainers.

    Their clocks decide about leases, so they should agree to a second or two; if they do not, a
    training is taken over too early, which costs its work since the last checkpoint and no more.
    A clock that goes back makes leases and pauses longer, by no more than LEASE_MS_MAX.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def claim(self, holder: str, lease_ms: int) -> Claim | None:
        """Claims, for the lease, the oldest training that nobody runs and that may run now.

        One whose holder's lease has ended is taken over, given up if it crashed too often, or
        cancelled if that was asked for.
        """
        at_ms = now_ms()
        with exclusive(self._engine, Lock.TRAININGS) as connection:
            shorten_leases(connection, at_ms + LEASE_MS_MAX, at_ms + lease_ms)
            self._settle_dead(connection, at_ms)
            running = [r for r in rows_of(connection, TrainingState.RUNNING) if lives(r, at_ms)]
            for row in claimable(connection, at_ms):
                if row.beside or not running:
                    return taken_row(connection, row, holder, at_ms, lease_ms)
        return None

    def _settle_dead(self, connection: sa.Connection, at_ms: int) -> None:
        for row in rows_of(connection, TrainingState.RUNNING):
            if lives(row, at_ms):
                continue
            if row.cancel_asked_at_ms is not None:
                end_row(connection, row, TrainingState.CANCELLED, at_ms)
            elif row.crashes + 1 >= CRASHES_MAX:
                end_row(connection, row, TrainingState.FAILED, at_ms, error=_CRASHED)

    def resume(self, training_id: int, attempt: int) -> Claim:
        """A claim that another process of the same trainer has made. Raises ClaimLost."""
        with self._engine.connect() as connection:
            row = connection.execute(held(training_id, attempt)).first()
        if row is None:
            raise _lost(training_id)
        return claim_of(row)

    def renew(self, claim: Claim, lease_ms: int) -> bool:
        """Says that the holder lives; returns whether it was asked to cancel. Raises ClaimLost."""
        row = TrainingRow
        with self._engine.begin() as connection:
            self._update(connection, claim, lease_until_ms=now_ms() + lease_ms)
            statement = sa.select(row.cancel_asked_at_ms).where(row.id == claim.id)
            return connection.execute(statement).scalar_one() is not None

    def explain(self, claim: Claim, reason: str) -> None:
        """Says why its process is about to end, for whoever gives it back. Raises ClaimLost."""
        with self._engine.begin() as connection:
            self._update(connection, claim, error=reason[:ERROR_CHARACTERS_MAX])

    def note(self, claim: Claim, progress: TrainingProgress) -> None:
        """Writes how far it is. Raises ClaimLost."""
        with self._engine.begin() as connection:
            self._update(connection, claim, progress=progress.to_json())

    def check(self, claim: Claim) -> None:
        """Raises ClaimLost if the training is another's by now, or has ended."""
        self.resume(claim.id, claim.attempt)

    def pinned(self, claim: Claim) -> Pinned | None:
        """What an earlier attempt has decided, if any. Raises ClaimLost."""
        with self._engine.connect() as connection:
            there = connection.execute(held(claim.id, claim.attempt)).first()
        if there is None:
            raise _lost(claim.id)
        return None if there.pinned is None else Pinned.from_json(there.pinned)

    def pin(self, claim: Claim, decided: Pinned) -> Pinned:
        """Decides once what a training works with: returns what was decided first.

        So whoever takes it over learns from the same. Raises ClaimLost.
        """
        with exclusive(self._engine, Lock.TRAININGS) as connection:
            there = connection.execute(held(claim.id, claim.attempt)).first()
            if there is None:
                raise _lost(claim.id)
            if there.pinned is not None:
                return Pinned.from_json(there.pinned)
            self._update(connection, claim, pinned=decided.to_json())
        return decided

    def succeed(self, claim: Claim, version: str) -> None:
        """Ends it: it has made a model. Raises ClaimLost."""
        self._ended(claim, TrainingState.SUCCEEDED, version=version)

    def fail(self, claim: Claim, error: str) -> None:
        """Ends it: it would make no model, however often it is tried. Raises ClaimLost."""
        self._ended(claim, TrainingState.FAILED, error=error[:ERROR_CHARACTERS_MAX])

    def cancelled(self, claim: Claim) -> None:
        """Ends it as cancelled, because somebody asked for that. Raises ClaimLost."""
        self._ended(claim, TrainingState.CANCELLED)

    def give_back(self, claim: Claim, *, crashed: str = "", pause_ms: int = 0) -> None:
        """Lets others go on with it; `crashed` says how its process ended if nobody meant it to.

        `crashed` is added to what `explain` has said. Nobody takes the training up before the
        pause, which doubles with every crash, is over. One that crashed too often fails; one that
        was to be cancelled is cancelled. Raises ClaimLost.
        """
        with exclusive(self._engine, Lock.TRAININGS) as connection:
            row = connection.execute(held(claim.id, claim.attempt)).first()
            if row is None:
                raise _lost(claim.id)
            if row.cancel_asked_at_ms is not None:
                end_row(connection, row, TrainingState.CANCELLED, now_ms())
                return
            crashes = row.crashes + bool(crashed)
            if crashed and row.error:
                crashed = f"{row.error}; {crashed}"
            if crashes >= CRASHES_MAX:
                told = f"{_CRASHED}: {crashed}"
                end_row(connection, row, TrainingState.FAILED, now_ms(), error=told)
                return
            self._update(
                connection,
                claim,
                state=TrainingState.WAITING,
                crashes=crashes,
                holder="",
                lease_until_ms=now_ms() + pause_ms * 2 ** max(0, crashes - 1),
                error=crashed[:ERROR_CHARACTERS_MAX],
            )

    def _ended(self, claim: Claim, state: TrainingState, **values: Any) -> None:
        with self._engine.begin() as connection:
            self._update(
                connection,
                claim,
                state=state,
                ended_at_ms=now_ms(),
                lease_until_ms=None,
                **{"error": "", **values},
            )

    def _update(self, connection: sa.Connection, claim: Claim, **values: Any) -> None:
        row = TrainingRow
        mine = (row.id == claim.id, row.attempt == claim.attempt)
        statement = sa.update(row).where(*mine, row.state == TrainingState.RUNNING)
        if connection.execute(statement.values(**values)).rowcount == 0:
            raise _lost(claim.id)


_CRASHED = f"its process ended {CRASHES_MAX} times before the training did; its log says more"


def _lost(training_id: int) -> ClaimLost:
    return ClaimLost(f"training {training_id} has ended or is another trainer's by now")
