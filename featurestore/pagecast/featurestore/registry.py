"""The model registry: versions, and the aliases that say which of them serves.

Promotion is moving the alias `champion`; rollback is moving it back. Every move is kept.
"""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.tables import AliasMoveRow, AliasRow, ModelRow

CHAMPION = "champion"
"""The model that serves."""

CHALLENGER = "challenger"
"""The newest model that was registered and not promoted."""

LISTED_MAX = 100
"""Records of one listing."""

_VERSION = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
"""A version is also the name of the bundle's directory, so it must stay inside of it."""

_ALIAS = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""As long as the table holds; it stands in an arm's name on every page."""


class ModelUnknown(LookupError):  # noqa: N818 - named by what is wrong, as the RPCs' reasons are
    """No model of this version is registered."""


class NoPredecessor(LookupError):  # noqa: N818
    """There is no earlier champion to return to."""


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """A registered model. `bundle` is relative to the bundles directory."""

    version: str
    bundle: Path
    parent_version: str | None
    created_at_ms: int
    metrics: Mapping[str, float]
    data: Mapping[str, Any]
    aliases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AliasMove:
    """One move of an alias; `version` is None where it was taken away."""

    alias: str
    version: str | None
    moved_at_ms: int
    moved_by: str
    reason: str


class Registry:
    """Reads and changes the model registry of a migrated database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def register(
        self,
        version: str,
        *,
        parent_version: str | None,
        metrics: Mapping[str, float],
        data: Mapping[str, Any],
    ) -> ModelRecord:
        """Records a published bundle as the challenger.

        A version names its contents, so registering it again changes nothing. Raises ValueError
        for a version that is no directory name and for metrics that are not finite.
        """
        if not _VERSION.fullmatch(version):
            raise ValueError(f"version: {version!r} is not 1 to 64 letters, digits, '.', '_', '-'")
        if wrong := [name for name, value in metrics.items() if not math.isfinite(value)]:
            raise ValueError(f"metrics: {', '.join(sorted(wrong))} must be finite")
        with exclusive(self._engine, Lock.REGISTRY) as connection:
            if _version_exists(connection, version):
                return _record(connection, version)
            connection.execute(
                sa.insert(ModelRow).values(
                    version=version,
                    parent_version=parent_version,
                    created_at_ms=_now_ms(),
                    metrics=dict(metrics),
                    data=dict(data),
                )
            )
            _move(connection, CHALLENGER, version, by="trainer", reason="register")
            return _record(connection, version)

    def get(self, version: str) -> ModelRecord:
        """Raises ModelUnknown."""
        with self._engine.connect() as connection:
            return _record(connection, version)

    def resolve(self, alias: str) -> ModelRecord | None:
        """The model an alias points to, if any."""
        with self._engine.connect() as connection:
            at = _alias(connection, alias)
            return None if at is None else _record(connection, at.version)

    def promote(self, version: str, by: str) -> ModelRecord:
        """Makes a model the champion; it is no longer the challenger. Raises ModelUnknown.

        Promoting the champion changes nothing.
        """
        with exclusive(self._engine, Lock.REGISTRY) as connection:
            if not _version_exists(connection, version):
                raise _unknown(version)
            champion = _alias(connection, CHAMPION)
            if champion is None or champion.version != version:
                predecessor = None if champion is None else champion.move_id
                _move(connection, CHAMPION, version, by, "promote", predecessor_id=predecessor)
                challenger = _alias(connection, CHALLENGER)
                if challenger is not None and challenger.version == version:
                    _move(connection, CHALLENGER, None, by, "promote")
            return _record(connection, version)

    def rollback(self, by: str) -> ModelRecord:
        """Returns to the champion before the present one was promoted. Raises NoPredecessor.

        A second rollback goes back one promotion more, never forward again.
        """
        with exclusive(self._engine, Lock.REGISTRY) as connection:
            champion = _alias(connection, CHAMPION)
            if champion is None:
                raise NoPredecessor("no model was ever promoted: promote one first")
            promotion = _moved(connection, champion.move_id)
            if promotion.predecessor_id is None:
                raise NoPredecessor(
                    f"{champion.version} is the first champion: promote another model instead"
                )
            predecessor = _moved(connection, promotion.predecessor_id)
            _move(connection, CHAMPION, predecessor.version, by, "rollback", keep=predecessor.id)
            return _record(connection, predecessor.version)

    def point(self, alias: str, version: str, by: str) -> ModelRecord:
        """Points an alias of somebody's own to a model: an arm of an experiment, for example.

        Raises ModelUnknown, and ValueError for an alias that is none or that moves by itself.
        """
        if alias in (CHAMPION, CHALLENGER):
            raise ValueError(f"alias: {alias} moves by promotion and registration: choose another")
        if not _ALIAS.fullmatch(alias):
            raise ValueError(f"alias: {alias!r} is not 1 to 32 small letters, digits and '-'")
        with exclusive(self._engine, Lock.REGISTRY) as connection:
            if not _version_exists(connection, version):
                raise _unknown(version)
            _move(connection, alias, version, by, "point")
            return _record(connection, version)

    def moves(self, alias: str, limit: int = LISTED_MAX) -> tuple[AliasMove, ...]:
        """The history of an alias, newest first."""
        row = AliasMoveRow
        statement = sa.select(row).where(row.alias == alias).order_by(row.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return tuple(
                AliasMove(
                    alias=move.alias,
                    version=move.version,
                    moved_at_ms=move.moved_at_ms,
                    moved_by=move.moved_by,
                    reason=move.reason,
                )
                for move in connection.execute(statement)
            )

    def list(self, limit: int = LISTED_MAX) -> tuple[ModelRecord, ...]:
        """The registered models, newest first."""
        with self._engine.connect() as connection:
            statement = sa.select(ModelRow).order_by(ModelRow.id.desc()).limit(limit)
            models = connection.execute(statement).all()
            aliases = _aliases(connection)
            return tuple(_record_of(model, aliases) for model in models)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _unknown(version: str) -> ModelUnknown:
    return ModelUnknown(f"version: no model {version!r} is registered; see `pagecast models list`")


def _version_exists(connection: sa.Connection, version: str) -> bool:
    statement = sa.select(ModelRow.id).where(ModelRow.version == version)
    return connection.execute(statement).first() is not None


def _alias(connection: sa.Connection, alias: str) -> sa.Row[Any] | None:
    return connection.execute(sa.select(AliasRow).where(AliasRow.alias == alias)).first()


def _moved(connection: sa.Connection, move_id: int) -> sa.Row[Any]:
    return connection.execute(sa.select(AliasMoveRow).where(AliasMoveRow.id == move_id)).one()


def _aliases(connection: sa.Connection) -> dict[str, tuple[str, ...]]:
    """Aliases by version."""
    aliases: dict[str, tuple[str, ...]] = {}
    for at in connection.execute(sa.select(AliasRow).order_by(AliasRow.alias)):
        aliases[at.version] = (*aliases.get(at.version, ()), at.alias)
    return aliases


def _record(connection: sa.Connection, version: str) -> ModelRecord:
    model = connection.execute(sa.select(ModelRow).where(ModelRow.version == version)).first()
    if model is None:
        raise _unknown(version)
    return _record_of(model, _aliases(connection))


def _record_of(model: sa.Row[Any], aliases: Mapping[str, tuple[str, ...]]) -> ModelRecord:
    return ModelRecord(
        version=model.version,
        bundle=Path(model.version),
        parent_version=model.parent_version,
        created_at_ms=model.created_at_ms,
        metrics=model.metrics,
        data=model.data,
        aliases=aliases.get(model.version, ()),
    )


def _move(
    connection: sa.Connection,
    alias: str,
    version: str | None,
    by: str,
    reason: str,
    *,
    predecessor_id: int | None = None,
    keep: int | None = None,
) -> None:
    """Moves an alias and records it; `keep` is the promotion in force after a rollback."""
    inserted = connection.execute(
        sa.insert(AliasMoveRow)
        .values(
            alias=alias,
            version=version,
            moved_at_ms=_now_ms(),
            moved_by=by,
            reason=reason,
            predecessor_id=predecessor_id,
        )
        .returning(AliasMoveRow.id)
    )
    move_id = inserted.scalar_one() if keep is None else keep
    connection.execute(sa.delete(AliasRow).where(AliasRow.alias == alias))
    if version is not None:
        connection.execute(
            sa.insert(AliasRow).values(alias=alias, version=version, move_id=move_id)
        )
