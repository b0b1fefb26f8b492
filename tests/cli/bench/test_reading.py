"""Whether figures of reading reach their goal, and what they say about many users."""

from typing import NamedTuple

from pagecast.cli.bench.reading import rows_of


class Measured(NamedTuple):
    what: str
    beside: str
    ours: float
    theirs: float


def test_a_read_may_cost_twice_a_get_of_the_same_bytes() -> None:
    rows = rows_of(
        [
            Measured("history read, Valkey, p50 us", "GET", 199.0, 100.0),
            Measured("history read, SQLite, p50 us", "SELECT", 201.0, 100.0),
            Measured("history read, Valkey, per core and second", "GET", 51.0, 100.0),
            Measured("history read and unpacked, Valkey, p50 us", "GET", 900.0, 100.0),
        ]
    )
    assert [row.reached for row in rows] == [True, False, True, None]


def test_what_many_users_need_is_told_from_the_bytes_of_one() -> None:
    rows = rows_of([Measured("bytes per user, Valkey", "packed history", 12_000.0, 11_000.0)])
    assert [row.ours for row in rows[1:]] == [12.0, 120.0, 3_600.0]
