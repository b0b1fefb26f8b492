"""A ranker: a softmax over what could have been chosen, linear in its features (McFadden 1974).

Letters: E examples, M alternatives of an example, F features.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

ITERATIONS_MAX = 200
"""Of L-BFGS; a dozen weights converge within thirty."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Choices:
    """`feature_EMF`; `offered_EM` says which alternatives there were, `chosen_EM` which of those
    were right: one at least."""

    feature_EMF: npt.NDArray[np.float32]
    offered_EM: npt.NDArray[np.bool_]
    chosen_EM: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.feature_EMF)


def fitted(
    choices: Choices, prior_F: npt.NDArray[np.float32], pull: float
) -> npt.NDArray[np.float32]:
    """Weights [F] that make the chosen likeliest, held to `prior_F` as by `pull` examples.

    Features are measured in their own deviations, so that their units do not matter to the pull.
    """
    if not len(choices):
        return prior_F
    feature_EMF = torch.from_numpy(choices.feature_EMF).double()
    offered_EM = torch.from_numpy(choices.offered_EM)
    chosen_EM = torch.from_numpy(choices.chosen_EM)
    scale_F = feature_EMF[offered_EM].std(0, correction=0).clamp(min=1e-6)
    prior = torch.from_numpy(prior_F).double() * scale_F
    weight_F = prior.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [weight_F], max_iter=ITERATIONS_MAX, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        logits_EM = (feature_EMF / scale_F) @ weight_F
        total = _log_sum(logits_EM, offered_EM) - _log_sum(logits_EM, chosen_EM)
        value = (total.sum() + pull * (weight_F - prior).square().sum()) / len(choices)
        value.backward()
        return value

    optimiser.step(loss)
    found_F: npt.NDArray[np.float32] = (weight_F.detach() / scale_F).float().numpy()
    return found_F


def _log_sum(logits_EM: Tensor, some_EM: Tensor) -> Tensor:
    return logits_EM.masked_fill(~some_EM, -torch.inf).logsumexp(1)
