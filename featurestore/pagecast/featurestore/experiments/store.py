"""Experiments beside the model registry: started, stopped, never changed."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.experiments.assignment import (
    DAY_MS,
    Arm,
    Experiment,
    ExperimentInvalid,
)
from pagecast.featurestore.experiments.tables import ExperimentRow
from pagecast.featurestore.models.records import CHAMPION
from pagecast.featurestore.tables import AliasRow

RUNNING_MAX = 4
"""Experiments at a time: each takes its users from those that the older ones leave."""

LISTED_MAX = 100
"""Experiments of one listing."""

SALT_BYTES = 16
"""Of a salt: no two experiments share one."""

OUTCOME_MS = DAY_MS
"""How long things count for a user by default: a day, in which most reactions to a page show."""


class ExperimentUnknown(LookupError):  # noqa: N818 - named by what is wrong, as the RPCs' reasons are
    """No experiment has this name."""


class Experiments:
    """Reads and changes the experiments of a migrated database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def start(
        self,
        name: str,
        arms: Sequence[Arm],
        *,
        control: str = "",
        outcome_ms: int = OUTCOME_MS,
    ) -> Experiment:
        """Starts an experiment with a salt of its own; servers follow within two seconds.

        `control` defaults to the champion if that is an arm, else to the first arm. Raises
        ExperimentInvalid, also for a name that was ever taken, for an arm that is no alias of the
        registry, and for one experiment too many.
        """
        experiment = Experiment(
            name=name,
            salt=secrets.token_bytes(SALT_BYTES),
            arms=tuple(arms),
            control=control or _control(arms),
            outcome_ms=outcome_ms,
            started_at_ms=_now_ms(),
        )
        with exclusive(self._engine, Lock.EXPERIMENTS) as connection:
            _check_free(connection, experiment)
            connection.execute(
                sa.insert(ExperimentRow).values(
                    name=name,
                    salt=experiment.salt,
                    arms=[{"alias": arm.alias, "share": arm.share} for arm in experiment.arms],
                    control=experiment.control,
                    outcome_ms=outcome_ms,
                    started_at_ms=experiment.started_at_ms,
                )
            )
        return experiment

    def stop(self, name: str) -> Experiment:
        """Gives its users the champion's pages again. Stopping twice changes nothing.

        Raises ExperimentUnknown.
        """
        row = ExperimentRow
        with exclusive(self._engine, Lock.EXPERIMENTS) as connection:
            connection.execute(
                sa.update(row)
                .where(row.name == name, row.stopped_at_ms.is_(None))
                .values(stopped_at_ms=_now_ms())
            )
            return _found(connection, name)

    def get(self, name: str) -> Experiment:
        """Raises ExperimentUnknown."""
        with self._engine.connect() as connection:
            return _found(connection, name)

    def running(self) -> tuple[Experiment, ...]:
        """The oldest first."""
        row = ExperimentRow
        statement = sa.select(row).where(row.stopped_at_ms.is_(None)).order_by(row.id)
        with self._engine.connect() as connection:
            return tuple(map(_experiment, connection.execute(statement)))

    def list(self, limit: int = LISTED_MAX) -> tuple[Experiment, ...]:
        """The newest first."""
        statement = sa.select(ExperimentRow).order_by(ExperimentRow.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return tuple(map(_experiment, connection.execute(statement)))


def _control(arms: Sequence[Arm]) -> str:
    aliases = [arm.alias for arm in arms]
    return CHAMPION if CHAMPION in aliases or not aliases else aliases[0]


def _check_free(connection: sa.Connection, experiment: Experiment) -> None:
    row = ExperimentRow
    if connection.execute(sa.select(row.id).where(row.name == experiment.name)).first():
        raise ExperimentInvalid(
            "name", f"{experiment.name!r} is taken, and stands in logged pages: choose another"
        )
    running = sa.select(sa.func.count()).select_from(row).where(row.stopped_at_ms.is_(None))
    if connection.execute(running).scalar_one() >= RUNNING_MAX:
        raise ExperimentInvalid("name", f"{RUNNING_MAX} experiments are running: stop one first")
    known = set(connection.execute(sa.select(AliasRow.alias)).scalars())
    if missing := [arm.alias for arm in experiment.arms if arm.alias not in known]:
        raise ExperimentInvalid(
            "arms",
            f"no model has the alias {', '.join(missing)}: give it one with "
            "`pagecast models alias`, or name one of " + (", ".join(sorted(known)) or "none"),
        )


def _found(connection: sa.Connection, name: str) -> Experiment:
    statement = sa.select(ExperimentRow).where(ExperimentRow.name == name)
    found = connection.execute(statement).first()
    if found is None:
        raise ExperimentUnknown(
            f"name: there is no experiment {name!r}; see `pagecast experiments list`"
        )
    return _experiment(found)


def _experiment(row: sa.Row[Any]) -> Experiment:
    return Experiment(
        name=row.name,
        salt=row.salt,
        arms=tuple(Arm(alias=arm["alias"], share=arm["share"]) for arm in row.arms),
        control=row.control,
        outcome_ms=row.outcome_ms,
        started_at_ms=row.started_at_ms,
        stopped_at_ms=row.stopped_at_ms,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
