"""Rewards become advantages: what holds for every group."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.trainer.alignment.credit import (
    RewardError,
    advantages,
    anchored,
    clipped,
    gated,
    k3,
)

REWARDS = st.lists(st.floats(-50, 50), min_size=1, max_size=16)

LOGS = st.lists(st.floats(-20, 0), min_size=1, max_size=16)


@given(REWARDS, st.booleans())
def test_advantages_of_a_group_sum_to_zero(rewards: list[float], by_deviation: bool) -> None:
    assert advantages(rewards, by_deviation=by_deviation).sum() == pytest.approx(0.0, abs=1e-6)


@given(REWARDS, st.floats(-5, 5))
def test_what_all_pages_have_in_common_is_worth_nothing(rewards: list[float], more: float) -> None:
    moved = advantages(np.array(rewards) + more)
    np.testing.assert_allclose(moved, advantages(rewards), atol=1e-9)


@given(REWARDS, st.floats(0.1, 10.0))
def test_dr_grpo_keeps_the_size_of_differences(rewards: list[float], times: float) -> None:
    """Dividing by the deviation would not: a group that is nearly alike would count as much."""
    scaled = advantages(np.array(rewards) * times)
    np.testing.assert_allclose(scaled, advantages(rewards) * times, atol=1e-6)


def test_divided_by_the_deviation_every_group_has_the_same_spread() -> None:
    assert advantages([0.0, 1e-3], by_deviation=True) == pytest.approx([-1.0, 1.0])
    assert advantages([3.0, 3.0], by_deviation=True) == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(RewardError, match="1 of 3 rewards"):
        advantages([1.0, bad, 2.0])


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 5)), min_size=1, max_size=16),
    st.floats(0, 5),
)
def test_a_closed_gate_leaves_nothing_and_an_open_one_everything(
    pairs: list[tuple[float, float]], tau: float
) -> None:
    preference_I, relevance_I = np.array(pairs).T
    reward_I = gated(preference_I, relevance_I, tau)
    for reward, preference, relevance in zip(reward_I, preference_I, relevance_I, strict=True):
        assert reward == (preference if relevance > tau else 0.0)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=16))
def test_what_was_chosen_is_worth_the_best_of_the_group(pairs: list[tuple[float, bool]]) -> None:
    reward_I = np.array([reward for reward, _ in pairs])
    chosen_I = np.array([chosen for _, chosen in pairs])
    anchored_I = anchored(reward_I, chosen_I)
    assert (anchored_I[chosen_I] == reward_I.max()).all()
    assert (anchored_I[~chosen_I] == reward_I[~chosen_I]).all()


@given(LOGS, st.data())
def test_k3_is_never_negative_and_zero_where_both_are_equal(
    logs: list[float], data: st.DataObject
) -> None:
    others = data.draw(st.lists(st.floats(-20, 0), min_size=len(logs), max_size=len(logs)))
    log_p_N = torch.tensor(logs, dtype=torch.float64)
    reference_N = torch.tensor(others, dtype=torch.float64)
    assert (k3(log_p_N, reference_N) >= -1e-12).all()
    assert (k3(log_p_N, log_p_N) == 0).all()


def test_k3_of_own_tokens_is_the_distance_on_average() -> None:
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.4, 0.4, 0.2])
    distance = (p * (p.log() - q.log())).sum()
    assert float((p * k3(p.log(), q.log())).sum()) == pytest.approx(float(distance), rel=1e-4)


@settings(deadline=None)  # the first backward pass of a process takes long
@given(LOGS)
def test_right_after_drawing_a_token_gains_its_advantage_times_its_own_gradient(
    logs: list[float],
) -> None:
    log_p_N = torch.tensor(logs, dtype=torch.float64, requires_grad=True)
    advantage_N = torch.linspace(-1, 1, len(logs), dtype=torch.float64)
    gain_N = clipped(log_p_N, log_p_N.detach(), advantage_N, 0.2)
    gain_N.sum().backward()
    torch.testing.assert_close(gain_N.detach(), advantage_N)
    torch.testing.assert_close(log_p_N.grad, advantage_N)


def test_a_token_that_has_gone_far_enough_teaches_nothing_more() -> None:
    log_p_N = torch.tensor([0.5, -0.5], requires_grad=True)
    clipped(log_p_N, torch.zeros(2), torch.tensor([1.0, -1.0]), 0.2).sum().backward()
    assert log_p_N.grad is not None
    assert log_p_N.grad.tolist() == [0.0, 0.0]
