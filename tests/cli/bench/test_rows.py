"""A row says what was measured, beside what, and whether that is enough."""

import pytest

from pagecast.cli.bench.rows import Better, Row, shown


@pytest.mark.parametrize(("ours", "reached"), [(29.9, False), (30.0, True), (31.0, True)])
def test_more_is_reached_from_the_reach_on(ours: float, reached: bool) -> None:
    row = Row.compared("events", "a peer", ours, 10.0, reach=3.0)
    assert row.ratio == ours / 10.0
    assert row.reached is reached


@pytest.mark.parametrize(("ours", "reached"), [(19.0, True), (20.0, True), (20.1, False)])
def test_less_is_reached_up_to_the_reach(ours: float, reached: bool) -> None:
    row = Row.compared("us", "a GET", ours, 10.0, reach=2.0, better=Better.LOWER)
    assert row.reached is reached


def test_without_a_reach_nothing_is_reached_or_missed() -> None:
    assert Row.compared("us", "a GET", 1.0, 2.0).reached is None
    assert Row.alone("us", 1.0).reached is None


def test_the_ratio_of_rounds_is_that_of_each_round() -> None:
    # A machine that is half as fast in the second round is so for both.
    row = Row.of_rounds("events", "a peer", [100.0, 50.0, 100.0], [10.0, 5.0, 20.0], reach=10.0)
    assert (row.ours, row.theirs, row.ratio) == (100.0, 10.0, 10.0)
    assert row.reached is True


def test_rounds_of_unlike_number_are_a_fault() -> None:
    with pytest.raises(ValueError, match="zip"):
        Row.of_rounds("events", "a peer", [1.0, 2.0], [1.0])


def test_a_row_in_json_has_the_promised_fields() -> None:
    row = Row.compared("events", "a peer", 3.0, 1.0, reach=2.0)
    assert row.to_dict() == {
        "what": "events",
        "beside": "a peer",
        "ours": 3.0,
        "theirs": 1.0,
        "ratio": 3.0,
        "reach": 2.0,
        "reached": True,
    }


def test_people_are_shown_what_can_be_told_apart() -> None:
    assert [shown(v) for v in (None, 12_345.6, 0.33333, 2.0)] == ["", "12,346", "0.333", "2"]
