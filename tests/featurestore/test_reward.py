"""What outcomes are worth."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainer.factories_logged import SEEN

from pagecast.featurestore.logged_pages import EntityOutcome
from pagecast.featurestore.reward import Outcome, RewardConfig

REWARD = RewardConfig()


MINUTE_MS = 60_000


def after(minutes: float) -> EntityOutcome:
    return SEEN._replace(played=True, watched_ms=round(minutes * MINUTE_MS), abandoned=False)


def test_more_is_worth_more() -> None:
    came = [
        after(200.0),
        after(90.0)._replace(completed=True),
        after(10.0),
        after(9.9),
        SEEN._replace(clicked=True, abandoned=False),
    ]
    rewards = [REWARD.entity(outcome) for outcome in came]
    assert rewards == sorted(set(rewards), reverse=True)
    assert min(rewards) > 0.0 > REWARD.entity(SEEN)


def test_a_page_whose_window_is_open_has_abandoned_nothing_yet() -> None:
    assert REWARD.entity(SEEN, closed=False) == REWARD.table[Outcome.IMPRESSION] == 0.0


@pytest.mark.parametrize("said", [{"hidden": True}, {"rating": 1.0}])
def test_what_the_user_says_against_it_decides(said: dict[str, object]) -> None:
    assert REWARD.entity(after(200.0)._replace(**said)) < 0.0


@given(
    came=st.fixed_dictionaries(
        {name: st.booleans() for name in ("clicked", "trailer_played", "played", "completed")}
    ),
    more=st.sampled_from(("clicked", "trailer_played", "played", "completed", "purchased")),
)
def test_nothing_good_makes_it_worse(came: dict[str, bool], more: str) -> None:
    outcome = SEEN._replace(**came)
    assert REWARD.entity(outcome._replace(**{more: True})) >= REWARD.entity(outcome)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_outcome_without_a_value_is_told_by_name(outcome: Outcome) -> None:
    table = {name: value for name, value in REWARD.table.items() if name is not outcome}
    with pytest.raises(ValueError, match=f"no value for {outcome.value}"):
        RewardConfig(table=table)


def test_a_table_in_another_order_is_refused() -> None:
    with pytest.raises(ValueError, match="completed must be worth more than long_play"):
        RewardConfig(table={**REWARD.table, Outcome.LONG_PLAY: 1.9})
    with pytest.raises(ValueError, match="abandoned must be below 0"):
        RewardConfig(table={**REWARD.table, Outcome.IMPRESSION: 0.1, Outcome.ABANDONED: 0.0})


@pytest.mark.parametrize(("aggregate", "reward"), [("sum", 0.6), ("mean", 0.2), ("max", 1.0)])
def test_a_row_is_worth_what_its_entities_are(aggregate: str, reward: float) -> None:
    config = dataclasses.replace(REWARD, row=aggregate)
    assert config.of_row([1.0, -0.2, -0.2]) == pytest.approx(reward)
