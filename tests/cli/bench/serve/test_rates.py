"""Rows of the open loop at shares of the peak."""

from pagecast.cli.bench.serve.rates import PAGES_WANTED, AtRate, rows_of_rates, seconds_at


def at(first_row_ms: list[float], failed: int = 0, left_out: int = 0) -> AtRate:
    return AtRate(pages=100, first_row_ms=first_row_ms, failed=failed, left_out=left_out)


def test_each_rate_stands_beside_the_lowest() -> None:
    measured = {0.25: at([10.0] * 98 + [20.0] * 2), 0.95: at([30.0] * 90 + [80.0] * 8, 2, 1)}
    rows = {row.what: row for row in rows_of_rates(8.0, measured)}
    assert rows["peak, closed loop of 16 clients, hybrid k=3, pages/s"].ours == 8.0
    where = "open loop at 95% of peak, 100 pages"
    p50, p99 = (rows[f"first row p{part} ms, {where}"] for part in (50, 99))
    assert (p50.ours, p50.theirs, p50.ratio, p50.beside) == (30.0, 10.0, 3.0, "at 25%")
    assert (p99.ours, p99.theirs) == (80.0, 20.0)
    assert rows[f"pages that failed or were left out, {where}"].ours == 3


def test_a_rate_at_which_no_page_came_is_told_without_quantiles() -> None:
    rows = rows_of_rates(8.0, {0.25: at([10.0]), 0.95: at([], failed=100)})
    assert not [row.what for row in rows if row.what.startswith("first row") and "95%" in row.what]
    assert [row.ours for row in rows if "failed" in row.what] == [0, 100]


def test_a_slow_rate_lasts_until_there_are_enough_pages_within_reason() -> None:
    assert seconds_at(100.0, 10.0) == 10.0
    assert seconds_at(10.0, 10.0) == PAGES_WANTED / 10
    assert seconds_at(0.1, 10.0) == 60.0
