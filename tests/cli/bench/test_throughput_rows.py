"""What is compared with what, and the goals that were set."""

import pytest

from pagecast.cli.bench.throughput_rows import throughput_rows


def test_a_third_of_the_bare_loop_and_three_times_quix_are_the_reach() -> None:
    rows = throughput_rows(
        {"worker": [30.0], "bare": [60.0], "quix": [12.0], "sqlite": [20.0], "confluent": [48.0]}
    )
    reached = [(row.theirs, row.reach, row.reached) for row in rows]
    assert reached == [
        (60.0, pytest.approx(1 / 3), True),
        (12.0, 3.0, False),
        (30.0, 1.5, True),
        (30.0, None, None),
    ]


def test_what_was_skipped_has_no_row() -> None:
    assert throughput_rows({"worker": [30.0]}) == []
