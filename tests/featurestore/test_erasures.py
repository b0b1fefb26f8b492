"""Forgotten users are known by a hash, up to a place in the log, to every worker."""

import threading

import pytest
import sqlalchemy as sa

from pagecast.featurestore.erasures import LOOKUP_USERS_MAX, Erasure, Erasures
from pagecast.featurestore.tables import SecretRow

NOW_MS = 1_800_000_000_000


def begin(
    erasures: Erasures,
    receipt_id: str = "r1",
    user_id: str = "ada",
    *,
    next_offset: int = 10,
    topic_id: str = "t",
) -> Erasure:
    return erasures.begin(receipt_id, user_id, topic_id, 0, next_offset, NOW_MS)


def queries_of(engine: sa.Engine, call: str, erasures: Erasures, *arguments: object) -> int:
    """How many SELECTs a method of `erasures` sends."""
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        statements.extend([statement] * statement.startswith("SELECT"))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        getattr(erasures, call)(*arguments)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return len(statements)


def test_a_receipt_is_open_until_the_erasure_is_complete(engine: sa.Engine) -> None:
    erasures = Erasures(engine)
    assert erasures.receipt("r1") is None
    begun = begin(erasures)
    assert begun == erasures.receipt("r1")
    assert (begun.requested_at_ms, begun.completed_at_ms) == (NOW_MS, None)
    erasures.complete("r1", 7, NOW_MS + 5)
    receipt = erasures.receipt("r1")
    assert receipt is not None
    assert (receipt.rows_erased, receipt.completed_at_ms) == (7, NOW_MS + 5)


def test_beginning_and_completing_again_change_nothing(engine: sa.Engine) -> None:
    erasures = Erasures(engine)
    begin(erasures, next_offset=10)
    erasures.complete("r1", 7, NOW_MS)
    assert begin(erasures, next_offset=99).next_offset == 10, "a producer's retry of the order"
    erasures.complete("r1", 0, NOW_MS + 1)
    receipt = erasures.receipt("r1")
    assert receipt is not None
    assert (receipt.rows_erased, receipt.completed_at_ms) == (7, NOW_MS)


def test_a_floor_is_after_the_order(engine: sa.Engine) -> None:
    erasures = Erasures(engine)
    begin(erasures, next_offset=10)
    assert erasures.floors(["ada", "bob"]) == {"ada": {("t", 0): 10}}


def test_the_newest_order_of_a_partition_counts(engine: sa.Engine) -> None:
    erasures = Erasures(engine)
    begin(erasures, "r2", next_offset=20)
    begin(erasures, "r1", next_offset=10)
    begin(erasures, "r3", next_offset=3, topic_id="u")
    assert erasures.floors(["ada"]) == {"ada": {("t", 0): 20, ("u", 0): 3}}


def test_the_newest_request_of_a_user_is_known(engine: sa.Engine) -> None:
    erasures = Erasures(engine)
    for receipt_id, partition, at_ms in (("r1", 0, NOW_MS + 5), ("r2", 0, NOW_MS), ("r3", 1, 3)):
        erasures.begin(receipt_id, "ada", "t", partition, 10, at_ms)
    assert erasures.requested_at_ms(["ada", "bob"]) == {"ada": NOW_MS + 5}


def test_an_order_in_a_log_that_was_restored_is_an_order_again(engine: sa.Engine) -> None:
    erasures = Erasures(engine)
    begin(erasures)
    erasures.complete("r1", 7, NOW_MS)
    again = begin(erasures, topic_id="restored")
    assert again.completed_at_ms is None
    assert erasures.receipt("r1") == again


def test_the_database_names_nobody(engine: sa.Engine) -> None:
    begin(Erasures(engine), user_id="ada-lovelace")
    with engine.connect() as connection:
        for table in sa.inspect(engine).get_table_names():
            rows = connection.execute(sa.text(f'SELECT * FROM "{table}"')).all()
            assert "ada-lovelace" not in repr(rows)


def test_every_database_has_a_salt_of_its_own_made_once(engine: sa.Engine) -> None:
    made = [Erasures(engine) for _ in range(4)]
    threads = [
        threading.Thread(target=begin, args=(erasures, f"r{i}")) for i, erasures in enumerate(made)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        [salt] = connection.execute(sa.select(SecretRow.value)).scalars()
    assert len(salt) == 32
    assert all(erasures.floors(["ada"]) for erasures in made)


def test_what_another_worker_erases_is_seen_at_the_next_look(engine: sa.Engine) -> None:
    one, other = Erasures(engine), Erasures(engine)
    assert one.floors(["ada"]) == {}
    begin(other)
    assert one.floors(["ada"]) == {"ada": {("t", 0): 10}}
    begin(other, "r2", next_offset=20)
    assert one.floors(["ada"]) == {"ada": {("t", 0): 20}}


def test_a_batch_without_forgotten_users_costs_one_query(engine: sa.Engine) -> None:
    erasures = Erasures(engine)
    begin(erasures)
    users = [f"user-{i}" for i in range(3 * LOOKUP_USERS_MAX)]
    assert queries_of(engine, "floors", erasures, []) == 0
    assert queries_of(engine, "floors", erasures, users) == 1
    assert queries_of(engine, "floors", erasures, [*users, "ada"]) == 2


def test_with_more_hashes_than_may_be_held_the_database_is_asked(engine: sa.Engine) -> None:
    erasures = Erasures(engine, hashes_held_max=3)
    for i in range(4):
        begin(erasures, f"r{i}", f"user-{i}", next_offset=i + 1)
    assert erasures.floors([f"user-{i}" for i in range(6)]) == {
        f"user-{i}": {("t", 0): i + 1} for i in range(4)
    }
    asked = [f"user-{i}" for i in range(LOOKUP_USERS_MAX + 1)]
    assert queries_of(engine, "floors", erasures, asked) == 2
    assert len(erasures.floors(asked)) == 4


@pytest.mark.parametrize("user_id", ["å" * 128, "a" * 256, "'; DROP TABLE erasures; --"])
def test_any_user_id_can_be_forgotten(sqlite_engine: sa.Engine, user_id: str) -> None:
    erasures = Erasures(sqlite_engine)
    begin(erasures, user_id=user_id)
    assert erasures.floors([user_id]).keys() == {user_id}
