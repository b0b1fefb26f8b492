"""Who is to be forgotten, up to where in the log, and whether it is done.

Users are kept as salted hashes: the table names nobody, and still recognises a user who is named.
"""

import hmac
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import sqlalchemy as sa

from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.tables import ErasureRow, SecretRow

HASHES_HELD_MAX = 200_000
"""Hashes held in memory, about 25 MB: with more, every look-up asks the database instead."""

LOOKUP_USERS_MAX = 500
"""Users per query; more are looked up in several queries, so that a query's text stays bounded."""

SALT_BYTES = 32

_SALT = "erasures"

Floors = dict[tuple[str, int], int]
"""By (topic id, partition): records before this offset are never applied again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One erasure; it is complete when `completed_at_ms` is set."""

    receipt_id: str
    topic_id: str
    partition: int
    next_offset: int
    requested_at_ms: int
    completed_at_ms: int | None
    rows_erased: int


class Erasures:
    """Reads and writes the erasures of a migrated database. `floors` is for one thread."""

    def __init__(self, engine: sa.Engine, *, hashes_held_max: int = HASHES_HELD_MAX) -> None:
        self._engine = engine
        self._held_max = hashes_held_max
        self._held: set[str] | None = set()
        self._newest_id = 0

    def begin(
        self,
        receipt_id: str,
        user_id: str,
        topic_id: str,
        partition: int,
        next_offset: int,
        requested_at_ms: int,
    ) -> Erasure:
        """Stores the tombstone; from then on the user's floor is in force.

        Returns what is stored: the first erasure, if this log has had this order before.
        """
        user_hash = self._hash(user_id)
        # Exclusive, so that ids become visible in their order: `floors` reads on from the newest.
        with exclusive(self._engine, Lock.ERASURES) as connection:
            if (stored := _find(connection, receipt_id, topic_id)) is not None:
                return stored
            erasure = Erasure(
                receipt_id=receipt_id,
                topic_id=topic_id,
                partition=partition,
                next_offset=next_offset,
                requested_at_ms=requested_at_ms,
                completed_at_ms=None,
                rows_erased=0,
            )
            connection.execute(
                sa.insert(ErasureRow).values(
                    receipt_id=receipt_id,
                    user_hash=user_hash,
                    topic_id=topic_id,
                    partition=partition,
                    next_offset=next_offset,
                    requested_at_ms=requested_at_ms,
                    rows_erased=0,
                )
            )
        return erasure

    def complete(self, receipt_id: str, rows_erased: int, at_ms: int) -> None:
        """Writes the receipt; the first one stands."""
        row = ErasureRow
        statement = (
            sa.update(row)
            .where(row.receipt_id == receipt_id, row.completed_at_ms.is_(None))
            .values(completed_at_ms=at_ms, rows_erased=rows_erased)
        )
        with self._engine.begin() as connection:
            connection.execute(statement)

    def receipt(self, receipt_id: str) -> Erasure | None:
        """The erasure of a receipt; None if no worker has met the order yet."""
        with self._engine.connect() as connection:
            return _find(connection, receipt_id)

    def floors(self, user_ids: Collection[str]) -> dict[str, Floors]:
        """The floors of the users who were ever forgotten; others are left out.

        Costs one query, which finds nothing unless somebody was forgotten since the last call, a
        hash per user, and a second query if one of the users was ever forgotten.
        """
        found: dict[str, Floors] = defaultdict(dict)
        for user_id, topic_id, partition, next_offset, _ in self._places(user_ids):
            found[user_id][topic_id, partition] = next_offset
        return dict(found)

    def requested_at_ms(self, user_ids: Collection[str]) -> dict[str, int]:
        """When those users who were ever forgotten last asked for it; costs what `floors` does."""
        newest: dict[str, int] = {}
        for user_id, *_, at_ms in self._places(user_ids):
            newest[user_id] = max(at_ms, newest.get(user_id, 0))
        return newest

    def _places(self, user_ids: Collection[str]) -> Iterator[tuple[str, str, int, int, int]]:
        """(user, topic id, partition, floor, newest request) of the forgotten among the users."""
        if not user_ids:
            return
        self._read_on()
        held = self._held
        if held is not None and not held:
            return
        hashes = {self._hash(user_id): user_id for user_id in user_ids}
        asked = iter([digest for digest in hashes if held is None or digest in held])
        while chunk := list(islice(asked, LOOKUP_USERS_MAX)):
            with self._engine.connect() as connection:
                rows = connection.execute(_PLACES, {"hashes": chunk}).all()
            for digest, topic_id, partition, next_offset, at_ms in rows:
                yield hashes[digest], topic_id, partition, next_offset, at_ms

    def _read_on(self) -> None:
        """Takes up the hashes that came since the last call, or gives up holding them."""
        if self._held is None:
            return
        row = ErasureRow
        statement = (
            sa.select(row.id, row.user_hash)
            .where(row.id > self._newest_id)
            .order_by(row.id)
            .limit(self._held_max + 1)
        )
        with self._engine.connect() as connection:
            new = connection.execute(statement).all()
        if new:
            self._newest_id = new[-1].id
            self._held.update(digest for _, digest in new)
        if len(new) > self._held_max or len(self._held) > self._held_max:
            self._held = None

    def _hash(self, user_id: str) -> str:
        return hmac.digest(self._salt, user_id.encode(), "sha256").hex()

    @cached_property
    def _salt(self) -> bytes:
        """Made by the first caller that needs it; the same for all later ones."""
        statement = sa.select(SecretRow.value).where(SecretRow.name == _SALT)
        with exclusive(self._engine, Lock.ERASURES) as connection:
            salt = connection.execute(statement).scalar_one_or_none()
            if salt is None:
                salt = secrets.token_bytes(SALT_BYTES)
                connection.execute(sa.insert(SecretRow).values(name=_SALT, value=salt))
        return salt


_PLACES = (
    sa.select(
        ErasureRow.user_hash,
        ErasureRow.topic_id,
        ErasureRow.partition,
        sa.func.max(ErasureRow.next_offset),
        sa.func.max(ErasureRow.requested_at_ms),
    )
    .where(ErasureRow.user_hash.in_(sa.bindparam("hashes", expanding=True)))
    .group_by(ErasureRow.user_hash, ErasureRow.topic_id, ErasureRow.partition)
)


def _find(
    connection: sa.Connection, receipt_id: str, topic_id: str | None = None
) -> Erasure | None:
    """The newest erasure of a receipt, in any log or in one."""
    row = ErasureRow
    columns = [getattr(row, name) for name in Erasure.__slots__]
    statement = sa.select(*columns).where(row.receipt_id == receipt_id)
    if topic_id is not None:
        statement = statement.where(row.topic_id == topic_id)
    found = connection.execute(statement.order_by(row.id.desc()).limit(1)).mappings().first()
    return None if found is None else Erasure(**found)
