"""How far a page's reward follows from what is known of its entities, in closed form.

Letters: N pages, S sums of facts.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pagecast.trainer.alignment.entity_facts import FACTS, FactsIF

RIDGE = 30.0
"""Pages' worth of belief that no fact matters."""

SUMS = len(FACTS) + 1
"""Of a page: each fact summed over its entities, and how many these are."""

DEVIATION_MIN = 1e-6
"""Of a sum that is the same on every page."""


class FactsRegression(nn.Module):
    """Weighted ridge regression of rewards on sums of facts, each of deviation 1."""

    mean: Tensor
    """Of the rewards it was fitted to."""
    sum_mean_S: Tensor
    slope_S: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("sum_mean_S", torch.zeros(SUMS, dtype=torch.float64))
        self.register_buffer("slope_S", torch.zeros(SUMS, dtype=torch.float64))

    def fit(self, facts: Sequence[FactsIF], reward_N: Tensor, weight_N: Tensor) -> None:
        sum_NS, weight_N = _sums(facts), weight_N.double()
        share_N = weight_N / weight_N.sum()
        self.mean.copy_(share_N @ reward_N.double())
        self.sum_mean_S.copy_(share_N @ sum_NS)
        away_NS = sum_NS - self.sum_mean_S
        deviation_S = (share_N @ away_NS.square()).sqrt().clamp(min=DEVIATION_MIN)
        scaled_NS = away_NS / deviation_S * weight_N.sqrt()[:, None]
        away_N = (reward_N.double() - self.mean) * weight_N.sqrt()
        gram_SS = scaled_NS.T @ scaled_NS + RIDGE * torch.eye(SUMS, dtype=torch.float64)
        self.slope_S.copy_(torch.linalg.solve(gram_SS, scaled_NS.T @ away_N) / deviation_S)

    def forward(self, facts: Sequence[FactsIF]) -> Tensor:
        """`reward_N` as far as facts tell."""
        return self.mean + (_sums(facts) - self.sum_mean_S) @ self.slope_S


def _sums(facts: Sequence[FactsIF]) -> Tensor:
    """`sum_NS` of pages."""
    sums = [[*fact_IF.sum(axis=0).tolist(), float(len(fact_IF))] for fact_IF in facts]
    return torch.tensor(sums, dtype=torch.float64)
