"""The loss of a round's pages: what is gained by better ones, held near the model that is aligned.

Letters: N tokens of a group's pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pagecast.trainer.alignment.asks import Ask
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.credit import clipped, k3
from pagecast.trainer.alignment.likelihood import chosen_loss, log_probabilities
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.alignment.rollouts import Rollout
from pagecast.trainer.fitting.forward import Embedded


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """A group of pages with what its tokens are worth, before the policy moves.

    `reference_N` are log-probabilities of the model that is aligned, under the same masks.
    """

    pages: Sequence[Rollout]
    advantage_N: Tensor
    reference_N: Tensor

    @property
    def ask(self) -> Ask:
        return self.pages[0].ask

    @property
    def recorded_N(self) -> Tensor:
        """As the pages were drawn."""
        return torch.from_numpy(np.concatenate([page.log_p_N for page in self.pages])).float()


@dataclass(frozen=True, kw_only=True)
class Told:
    """Of a group, in nats: the sum over its tokens of the distance to the model that is aligned,
    and the mean negative log-likelihood of what was really chosen (None if nothing was, or it is
    switched off)."""

    tokens: int
    kl: float
    nll: float | None


def group_loss(
    policy: Policy, embedded: Embedded, group: Group, config: AlignConfig, groups: int
) -> tuple[Tensor, Told]:
    """A group's share of the loss of a round of `groups`.

    - gain + kl * k3, summed over tokens and divided by the pages and by the constant
    `config.tokens` (docs/papers.md 1.5), + nll * the negative log-likelihood of what was chosen.
    """
    log_p_N = log_probabilities(policy, embedded, group.pages, config.temperature)
    gain = clipped(log_p_N, group.recorded_N, group.advantage_N, config.clip).sum()
    distance = k3(log_p_N, group.reference_N).sum()
    size = len(group.pages) * config.tokens * groups
    loss = (config.kl * distance - gain) / size
    nll = None
    if config.nll and group.ask.chosen:
        chosen = chosen_loss(policy, embedded, group.ask)
        loss = loss + config.nll * chosen / groups
        nll = float(chosen.detach())
    return loss, Told(tokens=len(log_p_N), kl=float(distance.detach()), nll=nll)
