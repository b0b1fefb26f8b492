"""The first and last third of the days, beside the same days of the arms to compare with."""

import dataclasses

import pytest
from cli.bench.align.factories_loop import days_with_tail, row

from pagecast.cli.bench.align.loop.config import FROZEN, GREEDY, MULTI_STAGE
from pagecast.cli.bench.align.loop.plot import loop_svg
from pagecast.cli.bench.align.loop.rows import Row
from pagecast.cli.bench.align.loop.summary import summaries


def month(arm: str, factor: float, *, days: int = 6, seed: int = 0) -> list[Row]:
    """Three members who are twice as content in the second half."""
    return [
        row(
            arm,
            day,
            {member: (2, factor * (member + 1) * (1 + 2 * day // days)) for member in range(3)},
            seed=seed,
        )
        for day in range(days)
    ]


def test_days_are_pooled_and_periods_do_not_overlap() -> None:
    (one,) = summaries(month("greedy", 1.0))
    assert ((one.first.begin, one.first.until), (one.last.begin, one.last.until)) == (
        (0, 2),
        (4, 6),
    )
    assert (one.first.sessions, one.first.reward.mean) == (12, 1.0)
    assert (one.last.sessions, one.last.reward.mean) == (12, 2.0)
    assert (one.whole.begin, one.whole.until, one.whole.sessions) == (0, 6, 36)
    assert (one.first.beside, one.last.beside) == ({}, {})


def test_an_arm_is_compared_with_others_in_the_same_days_seed_by_seed() -> None:
    rows = [
        day
        for seed in (0, 1)
        for arm, factor in ((MULTI_STAGE, 2.0), ("greedy", 3.0), (FROZEN, 1.0))
        for day in month(arm, factor, seed=seed)
    ]
    stages, greedy, frozen = summaries(rows)
    assert list(stages.first.beside) == [FROZEN, GREEDY]
    assert list(greedy.whole.beside) == [MULTI_STAGE, FROZEN]
    assert list(frozen.last.beside) == [MULTI_STAGE, GREEDY]
    for period in (greedy.first, greedy.last):
        assert period.sessions == 24
        lift = period.beside[MULTI_STAGE].lift
        assert (lift.mean, lift.low) == (pytest.approx(0.5), pytest.approx(0.5))
        assert period.beside[FROZEN].lift.mean == pytest.approx(2.0)


def test_days_after_all_have_left_are_no_days() -> None:
    rows = [*month(MULTI_STAGE, 1.0), *month("greedy", 1.0)[:2]]
    _, greedy = summaries(rows)
    assert (greedy.last.sessions, greedy.last.reward.mean, greedy.last.beside) == (0, None, {})


def test_a_seed_that_lost_its_members_is_compared_no_longer_and_the_others_are() -> None:
    rows = [
        *month(FROZEN, 1.0),
        *month(FROZEN, 1.0, seed=1),
        *month("greedy", 2.0)[:2],
        *month("greedy", 3.0, seed=1),
    ]
    _, greedy = summaries(rows)
    assert greedy.first.beside[FROZEN].by_seed == pytest.approx((1.0, 2.0))
    assert greedy.last.beside[FROZEN].by_seed == pytest.approx((2.0,))


def test_what_was_seen_is_compared_seed_by_seed() -> None:
    rows = [
        dataclasses.replace(day, seed=seed)
        for seed in (0, 1)
        for arm, share in ((FROZEN, 0.2), ("greedy", 0.1 + 0.2 * seed))
        for day in days_with_tail(arm, [share] * 3)
    ]
    _, greedy = summaries(rows)
    lifts = greedy.last.seen_beside[FROZEN]
    assert lifts["tail"].mean == pytest.approx(0.0)
    assert lifts["tail"].low is not None and lifts["tail"].low < -0.5
    assert (lifts["coverage"].mean, lifts["coverage"].low) == (0.0, 0.0)
    assert lifts["launched"].mean is None


def test_a_seed_whose_members_have_all_left_has_none() -> None:
    (one,) = summaries([*month("greedy", 1.0), *month("greedy", 1.0, seed=1)[:2]])
    assert (one.first.members, one.last.members) == (3.0, 1.5)


def test_drawn_pages_have_a_mean_of_their_own() -> None:
    drawn = dataclasses.replace(row("exploring", 0, {0: (4, 5.0)}), drawn_pages=4, drawn_reward=1.0)
    (one,) = summaries([drawn])
    assert (one.first.best_page, one.first.drawn_page) == (4.0 / 6, 0.25)
    (never,) = summaries(month("greedy", 1.0))
    assert never.first.drawn_page is None


def test_one_day_is_its_first_and_its_last() -> None:
    (one,) = summaries(month("greedy", 1.0, days=1))
    assert one.first == one.last


def test_the_plot_has_a_line_an_arm_in_either_panel() -> None:
    rows = [*days_with_tail("greedy", [0.1, 0.2, 0.3]), *days_with_tail(MULTI_STAGE, [0.4] * 3)]
    drawn = loop_svg(rows)
    assert drawn.count("<polyline") == 4
    assert drawn.startswith("<svg") and drawn.count("<svg") == drawn.count("</svg>") == 3
    assert "Long tail" in drawn and ">greedy<" in drawn
    assert loop_svg([]) == ""
