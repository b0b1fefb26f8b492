"""A day's row: each member's sessions and what they were worth, by the one reward."""

import json

from cli.bench.align.factories_loop import EXPOSURE, completed, seen, seen_page

from pagecast.cli.bench.align.loop.rows import Row, row_of
from pagecast.featurestore.pages.reward import Outcome, RewardConfig

REWARD = RewardConfig()
COMPLETED = REWARD.table[Outcome.COMPLETED]


def a_day() -> Row:
    pages = [
        seen_page("bob", "morning", seen("e1")),
        seen_page("bob", "morning", [completed("e2")], drawn=True),
        seen_page("bob", "evening", [completed("e3"), *seen("e4")]),
        seen_page("ada", "evening", seen("e1"), drawn=True),
    ]
    return row_of("greedy", 3, 7, 2, ["ada", "bob", "cleo"], pages, EXPOSURE, REWARD)


def test_sessions_and_rewards_are_by_member_in_their_order() -> None:
    day = a_day()
    assert day.sessions_M == (1, 2, 0)
    assert day.reward_M == (0.0, 2 * COMPLETED, 0.0)
    assert (day.sessions, day.pages, day.reward) == (3, 4, 2 * COMPLETED)


def test_drawn_pages_are_told_apart() -> None:
    assert (a_day().drawn_pages, a_day().drawn_reward) == (2, COMPLETED)


def test_a_row_is_kept_and_read_again_and_told_without_its_members() -> None:
    day = a_day()
    assert Row.from_json(json.loads(json.dumps(day.to_json()))) == day
    told = day.to_dict()
    assert not any(name.endswith("_M") for name in told)
    assert (told["reward_per_session"], told["impressions"]) == (2 * COMPLETED / 3, 100)
