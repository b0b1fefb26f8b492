"""Rewards become advantages: pure mathematics, one group of pages at a time.

Letters: G pages of a group, I entities of all its pages, N tokens.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float64]

DEVIATION_MIN = 1e-6
"""Below it a group's rewards are all alike, and say nothing about which page is better."""


class RewardError(RuntimeError):
    """A reward, or the loss that it leads to, is no number: the run stops, and its newest
    checkpoint stays."""


def finite(reward_G: npt.ArrayLike) -> Floats:
    """A group's rewards. Raises RewardError if one is no number."""
    rewards = np.asarray(reward_G, np.float64)
    if not np.isfinite(rewards).all():
        raise RewardError(
            f"{int((~np.isfinite(rewards)).sum())} of {rewards.size} rewards of a group are not"
            " finite: train the reward models again, with lower rates (align.reward.learning_rate,"
            " align.reward.preference_learning_rate)"
        )
    return rewards


def advantages(reward_G: npt.ArrayLike, *, by_deviation: bool = False) -> Floats:
    """Reward minus the group's mean; divided by its standard deviation only if told to.

    Dr. GRPO does not divide (docs/papers.md 1.5), GRPO-SR does (2.5). They sum to zero. Raises
    RewardError for what is not finite.
    """
    rewards = finite(reward_G)
    centred: Floats = rewards - rewards.mean()
    if not by_deviation:
        return centred
    deviation = float(rewards.std())
    return centred / deviation if deviation > DEVIATION_MIN else np.zeros_like(centred)


def gated(preference_I: Floats, relevance_I: Floats, lift_min: float) -> Floats:
    """r_i = I(s_i > tau) * preference: zero where the gate is closed (docs/papers.md 2.5)."""
    return np.where(relevance_I > lift_min, preference_I, 0.0)


def anchored(reward_I: Floats, chosen_I: npt.NDArray[np.bool_]) -> Floats:
    """What was really chosen is worth the best of the group (docs/papers.md 2.5)."""
    return np.where(chosen_I, reward_I.max(initial=0.0), reward_I)


def k3(log_p_N: Tensor, reference_N: Tensor) -> Tensor:
    """An unbiased estimate of KL(policy || reference) from tokens of the policy; never negative.

    k3 = r - 1 - log r with r = reference / policy; 0 where both are equal.
    """
    log_ratio_N = reference_N - log_p_N
    return torch.expm1(log_ratio_N) - log_ratio_N


def clipped(log_p_N: Tensor, recorded_N: Tensor, advantage_N: Tensor, clip: float) -> Tensor:
    """What a token gains: its ratio to when it was drawn times its advantage, bounded by `clip`.

    Right after drawing the ratio is 1 and its gradient that of the log-probability.
    """
    ratio_N = torch.exp(log_p_N - recorded_N)
    held_N = ratio_N.clamp(1.0 - clip, 1.0 + clip)
    return torch.minimum(ratio_N * advantage_N, held_N * advantage_N)
