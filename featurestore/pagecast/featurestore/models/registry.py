"""The model registry: versions, where each came from, and the aliases that say which one serves.

Promotion is moving the alias `champion`; rollback is moving it back. Every move is kept, with who
made it, why, and whether the gate was overruled.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.models.records import (
    CHALLENGER,
    CHAMPION,
    AliasMove,
    ChampionMoved,
    GateNotPassed,
    ModelRecord,
    MovedFor,
    NoPredecessor,
)
from pagecast.featurestore.models.registry_rows import (
    alias_row,
    aliases_by_version,
    kept_model,
    move_alias,
    move_row,
    needed_versions,
    now_ms,
    record_of,
    record_of_version,
    set_values,
    version_exists,
)
from pagecast.featurestore.models.verdicts import Verdict
from pagecast.featurestore.tables import NOTE_CHARACTERS_MAX, AliasMoveRow, ModelRow

LISTED_MAX = 100
"""Records of one listing."""

_VERSION = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
"""A version is also the name of the bundle's directory, so it must stay inside of it."""

_ALIAS = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""As long as the table's column; it is part of an arm's name on every page."""


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
        code_version: str = "",
        config: Mapping[str, Any] | None = None,
        alias: str = CHALLENGER,
    ) -> ModelRecord:
        """Records a published bundle as the challenger, or under another alias.

        A version names its contents, so registering it again changes nothing, except that a removed
        bundle counts as there again. Raises ValueError for a version that cannot name a directory
        and for metrics that are not finite.
        """
        if not _VERSION.fullmatch(version):
            raise ValueError(f"version: {version!r} is not 1 to 64 letters, digits, '.', '_', '-'")
        if wrong := [name for name, value in metrics.items() if not math.isfinite(value)]:
            raise ValueError(f"metrics: {', '.join(sorted(wrong))} must be finite")
        with exclusive(self._engine, Lock.REGISTRY) as connection:
            if version_exists(connection, version):
                set_values(connection, version, freed_at_ms=None)
                return record_of_version(connection, version)
            connection.execute(
                sa.insert(ModelRow).values(
                    version=version,
                    parent_version=parent_version,
                    created_at_ms=now_ms(),
                    metrics=dict(metrics),
                    data=dict(data),
                    code_version=code_version,
                    config=dict(config or {}),
                )
            )
            move_alias(connection, alias, version, MovedFor(by="trainer", reason="register"))
            return record_of_version(connection, version)

    def get(self, version: str) -> ModelRecord:
        """Raises ModelUnknown."""
        with self._engine.connect() as connection:
            return record_of_version(connection, version)

    def resolve(self, alias: str) -> ModelRecord | None:
        """The model an alias points to, if any."""
        with self._engine.connect() as connection:
            at = alias_row(connection, alias)
            return None if at is None else record_of_version(connection, at.version)

    def version_of(self, alias: str) -> str | None:
        """The version an alias points to, if any: one row, for callers that ask several times a
        second."""
        with self._engine.connect() as connection:
            at = alias_row(connection, alias)
            return None if at is None else str(at.version)

    def judge(self, version: str, verdict: Verdict) -> ModelRecord:
        """Keeps what the gate said of a model; the newest verdict counts. Raises ModelUnknown."""
        with exclusive(self._engine, Lock.REGISTRY) as connection:
            record_of_version(connection, version)
            set_values(connection, version, verdict=verdict.to_json())
            return record_of_version(connection, version)

    def promote(
        self,
        version: str,
        by: str,
        *,
        forced: bool = False,
        note: str = "",
        instead_of: str | None = None,
    ) -> ModelRecord:
        """Makes a model the champion; it is no longer the challenger.

        A model that the gate has refused needs `forced`, which is kept with the move if it was
        needed. With `instead_of`, only while that version serves ("": while none does). Promoting
        the champion changes nothing. Raises ModelUnknown, ModelFreed, GateNotPassed, ChampionMoved,
        and ValueError for a note that is too long.
        """
        if len(note) > NOTE_CHARACTERS_MAX:
            raise ValueError(f"note: at most {NOTE_CHARACTERS_MAX} characters are kept")
        with exclusive(self._engine, Lock.REGISTRY) as connection:
            record = kept_model(connection, version)
            champion = alias_row(connection, CHAMPION)
            if champion is not None and champion.version == version:
                return record
            serving = "" if champion is None else champion.version
            if instead_of not in (None, serving):
                raise ChampionMoved(
                    f"version: {serving or 'none'} serves by now, and {version} was compared with "
                    f"{instead_of or 'none'}: promote it by hand, or train again"
                )
            refused = record.verdict is not None and not record.verdict.passed
            if refused and not forced:
                raise GateNotPassed(
                    f"version: the gate refuses {version}; `pagecast models show {version}` says "
                    "why; force the promotion if you know better"
                )
            predecessor = None if champion is None else champion.move_id
            why = MovedFor(by=by, reason="promote", forced=refused, note=note)
            move_alias(connection, CHAMPION, version, why, predecessor_id=predecessor)
            challenger = alias_row(connection, CHALLENGER)
            if challenger is not None and challenger.version == version:
                move_alias(connection, CHALLENGER, None, why)
            return record_of_version(connection, version)

    def rollback(self, by: str, *, note: str = "", from_version: str = "") -> ModelRecord:
        """Returns to the champion before the present one was promoted, and returns it.

        A second rollback goes back one promotion more, never forward again. With `from_version`,
        the champion that is to go, nothing is moved if another one serves by now. Raises
        NoPredecessor, ModelFreed if that champion's bundle was removed, and ModelUnknown for a
        `from_version` that is not registered.
        """
        with exclusive(self._engine, Lock.REGISTRY) as connection:
            champion = alias_row(connection, CHAMPION)
            if champion is None:
                raise NoPredecessor("no model was ever promoted: promote one first")
            if from_version:
                going = record_of_version(connection, from_version)
                if CHAMPION not in going.aliases:
                    return record_of_version(connection, champion.version)
            promotion = move_row(connection, champion.move_id)
            if promotion.predecessor_id is None:
                raise NoPredecessor(
                    f"{champion.version} is the first champion: promote another model instead"
                )
            predecessor = move_row(connection, promotion.predecessor_id)
            kept_model(connection, predecessor.version)
            why = MovedFor(by=by, reason="rollback", note=note)
            move_alias(connection, CHAMPION, predecessor.version, why, keep=predecessor.id)
            return record_of_version(connection, predecessor.version)

    def point(self, alias: str, version: str, by: str) -> ModelRecord:
        """Points any other alias to a model: for an arm of an experiment, for example.

        Raises ModelUnknown, ModelFreed, and ValueError for an invalid alias or one that moves by
        itself.
        """
        if alias in (CHAMPION, CHALLENGER):
            raise ValueError(f"alias: {alias} moves by promotion and registration: choose another")
        if not _ALIAS.fullmatch(alias):
            raise ValueError(f"alias: {alias!r} is not 1 to 32 small letters, digits and '-'")
        with exclusive(self._engine, Lock.REGISTRY) as connection:
            kept_model(connection, version)
            move_alias(connection, alias, version, MovedFor(by=by, reason="point"))
            return record_of_version(connection, version)

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
                    forced=move.forced,
                    note=move.note,
                )
                for move in connection.execute(statement)
            )

    def list(self, limit: int = LISTED_MAX) -> tuple[ModelRecord, ...]:
        """The registered models, newest first."""
        with self._engine.connect() as connection:
            statement = sa.select(ModelRow).order_by(ModelRow.id.desc()).limit(limit)
            models = connection.execute(statement).all()
            aliases = aliases_by_version(connection)
            return tuple(record_of(model, aliases) for model in models)

    def free(self, keep: int) -> tuple[ModelRecord, ...]:
        """Marks the bundles that are no longer kept, and returns them all; their files come next.

        Kept are the newest `keep`, those with an alias, and the champion a rollback returns to.
        """
        with exclusive(self._engine, Lock.REGISTRY) as connection:
            statement = sa.select(ModelRow.version).order_by(ModelRow.id.desc())
            versions = connection.execute(statement).scalars().all()
            needed = needed_versions(connection)
            older = [version for version in versions[keep:] if version not in needed]
            freeing = sa.update(ModelRow).where(
                ModelRow.version.in_(older), ModelRow.freed_at_ms.is_(None)
            )
            connection.execute(freeing.values(freed_at_ms=now_ms()))
            return tuple(record_of_version(connection, version) for version in older)
