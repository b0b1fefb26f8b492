"""Rows of an event's way to a page, and of workers."""

from pagecast.cli.bench.serve.changed import Followed, rows_of_changes
from pagecast.cli.bench.serve.prober import Changed
from pagecast.cli.bench.serve.workers import rows_of_workers


def followed(slowest_ms: float) -> Followed:
    changes = [Changed(history_ms=20.0, first_row_ms=80.0)] * 98
    slow = Changed(history_ms=25.0, first_row_ms=slowest_ms)
    return Followed(
        changes=[*changes, slow, slow], pages_per_second=4.0, pages_failed=0, late_ms_max=3.0
    )


def test_the_whole_way_of_an_event_has_a_reach() -> None:
    rows = {row.what: row for row in rows_of_changes(followed(240.0))}
    p99 = rows["event to first row made with it, p99 ms, 100 events"]
    assert (p99.ours, p99.reach, p99.reached) == (240.0, 250.0, True)
    assert rows["event to first row made with it, p50 ms, 100 events"].reached is None
    assert rows["event to history, p99 ms, 100 events"].ours == 25.0
    late = {row.what: row for row in rows_of_changes(followed(260.0))}
    assert late["event to first row made with it, p99 ms, 100 events"].reached is False


def test_workers_stand_beside_one() -> None:
    one, two = rows_of_workers({1: 4.0, 2: 7.0})
    assert (one.ratio, two.ratio, two.theirs) == (1.0, 1.75, 4.0)
    assert two.what == "pages/s, `--workers 2`, 16 clients, hybrid k=3"
