"""What outcomes are worth."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainer.factories_logged import SEEN

from pagecast.featurestore.pages.logged_pages import EntityOutcome
from pagecast.featurestore.pages.reward import Outcome, RewardConfig

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
    assert min(rewards) > REWARD.entity(SEEN) == REWARD.table[Outcome.IMPRESSION] == 0.0


def test_a_play_that_was_given_up_at_once_is_abandoned() -> None:
    assert REWARD.entity(after(1.5)) == REWARD.table[Outcome.ABANDONED] < 0.0
    assert REWARD.entity(after(2.5)) == REWARD.table[Outcome.SHORT_PLAY]
    assert REWARD.entity(after(0.0)) == REWARD.table[Outcome.SHORT_PLAY], "nobody told its end"


@pytest.mark.parametrize(
    "kept", [{"completed": True}, {"purchased": True}, {"listed": True}, {"rating": 4.0}], ids=str
)
def test_what_was_kept_or_liked_is_not_abandoned(kept: dict[str, object]) -> None:
    assert REWARD.entity(after(1.5)._replace(**kept)) > 0.0


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


def test_a_page_is_worth_the_sum_of_what_was_seen_of_it() -> None:
    assert REWARD.of_page([]) == 0.0
    assert REWARD.of_page([after(200.0), SEEN, SEEN]) == pytest.approx(2.0)
    assert REWARD.of_page([after(200.0), after(1.0)]) == pytest.approx(2.0 - 0.2)


def test_a_table_is_read_by_the_names_of_outcomes() -> None:
    named = {outcome.value: value for outcome, value in REWARD.table.items()}
    assert RewardConfig.of_table({**named, "click": 0.3}).table[Outcome.CLICK] == 0.3
    with pytest.raises(ValueError, match="no outcome is named clicks: name binge, completed"):
        RewardConfig.of_table({**named, "clicks": 0.3})
    with pytest.raises(ValueError, match="no value for click"):
        RewardConfig.of_table({name: v for name, v in named.items() if name != "click"})
