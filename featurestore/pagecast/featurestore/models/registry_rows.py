"""Rows of the model registry, within the caller's transaction."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pagecast.featurestore.models.records import (
    CHAMPION,
    ModelFreed,
    ModelRecord,
    ModelUnknown,
    MovedFor,
)
from pagecast.featurestore.models.verdicts import Verdict
from pagecast.featurestore.tables import AliasMoveRow, AliasRow, ModelRow


def needed_versions(connection: sa.Connection) -> set[str]:
    """Versions with an alias, and the champion before the champion."""
    needed = set(aliases_by_version(connection))
    champion = alias_row(connection, CHAMPION)
    if champion is not None:
        before = move_row(connection, champion.move_id).predecessor_id
        if before is not None:
            needed.add(move_row(connection, before).version)
    return needed


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _unknown(version: str) -> ModelUnknown:
    return ModelUnknown(f"version: no model {version!r} is registered; see `pagecast models list`")


def version_exists(connection: sa.Connection, version: str) -> bool:
    statement = sa.select(ModelRow.id).where(ModelRow.version == version)
    return connection.execute(statement).first() is not None


def set_values(connection: sa.Connection, version: str, **values: Any) -> None:
    connection.execute(sa.update(ModelRow).where(ModelRow.version == version).values(**values))


def kept_model(connection: sa.Connection, version: str) -> ModelRecord:
    """A model that could serve. Raises ModelUnknown, ModelFreed."""
    record = record_of_version(connection, version)
    if record.freed_at_ms is not None:
        raise ModelFreed(
            f"version: the bundle of {version} was removed to make room: promote a newer model, or "
            "put the bundle back and register it again"
        )
    return record


def alias_row(connection: sa.Connection, alias: str) -> sa.Row[Any] | None:
    return connection.execute(sa.select(AliasRow).where(AliasRow.alias == alias)).first()


def move_row(connection: sa.Connection, move_id: int) -> sa.Row[Any]:
    return connection.execute(sa.select(AliasMoveRow).where(AliasMoveRow.id == move_id)).one()


def aliases_by_version(connection: sa.Connection) -> dict[str, tuple[str, ...]]:
    """Aliases by version."""
    aliases: dict[str, tuple[str, ...]] = {}
    for at in connection.execute(sa.select(AliasRow).order_by(AliasRow.alias)):
        aliases[at.version] = (*aliases.get(at.version, ()), at.alias)
    return aliases


def record_of_version(connection: sa.Connection, version: str) -> ModelRecord:
    model = connection.execute(sa.select(ModelRow).where(ModelRow.version == version)).first()
    if model is None:
        raise _unknown(version)
    return record_of(model, aliases_by_version(connection))


def record_of(model: sa.Row[Any], aliases: Mapping[str, tuple[str, ...]]) -> ModelRecord:
    return ModelRecord(
        version=model.version,
        bundle=Path(model.version),
        parent_version=model.parent_version,
        created_at_ms=model.created_at_ms,
        metrics=model.metrics,
        data=model.data,
        aliases=aliases.get(model.version, ()),
        code_version=model.code_version,
        config=model.config,
        verdict=None if model.verdict is None else Verdict.from_json(model.verdict),
        freed_at_ms=model.freed_at_ms,
    )


def move_alias(
    connection: sa.Connection,
    alias: str,
    version: str | None,
    why: MovedFor,
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
            moved_at_ms=now_ms(),
            moved_by=why.by,
            reason=why.reason,
            forced=why.forced,
            note=why.note,
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
