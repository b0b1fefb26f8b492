"""The loop that trains a reward model: epochs of pages, AdamW, a schedule.

Letters: N pages.
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pagecast.trainer.alignment.config import RewardModelConfig
from pagecast.trainer.alignment.credit import RewardError
from pagecast.trainer.fitting.optimizers import decaying
from pagecast.trainer.fitting.schedule import Schedule

GRADIENT_NORM_MAX = 1.0
"""Gradients are clipped to this norm, as everywhere."""

WARM_UP = 0.05
"""Share of the steps in which the learning rate grows."""


def fit_model(
    model: nn.Module,
    weight_N: npt.NDArray[np.float64],
    loss: Callable[[npt.NDArray[np.int64]], Tensor],
    config: RewardModelConfig,
    rate: Literal["learning_rate", "preference_learning_rate"],
) -> None:
    """Trains in place, and leaves the model in evaluation mode; `loss` is of pages by number,
    `rate` names the config's peak.

    An epoch has each page with a chance of its weight divided by the heaviest's. Weights in the
    loss would not do: a member who fills a batch alone is all of its mean, and gradients are
    clipped, whatever they were multiplied by.

    Raises RewardError if a loss is no number.
    """
    rng, peak = np.random.default_rng(config.seed), float(getattr(config, rate))
    chance_N = weight_N / weight_N.max()
    per_epoch = math.ceil(chance_N.sum() / config.pages_per_batch)
    steps = min(config.steps_max, max(1, round(config.epochs * per_epoch)))
    schedule = Schedule(steps_max=steps, budget_s=math.inf, warm_up=WARM_UP)
    trained = (p for p in model.parameters() if p.requires_grad)
    optimizer = torch.optim.AdamW(decaying(trained, config.weight_decay))
    model.train()
    order = np.zeros(0, np.int64)
    while not schedule.done:
        if not len(order):
            order = rng.permutation(np.flatnonzero(rng.random(len(chance_N)) < chance_N))
        chosen, order = order[: config.pages_per_batch], order[config.pages_per_batch :]
        optimizer.zero_grad(set_to_none=True)
        of_batch = loss(chosen)
        if not torch.isfinite(of_batch):
            raise RewardError(
                f"a reward model's loss is {float(of_batch.detach())} at step {schedule.step}:"
                f" lower align.reward.{rate} ({peak:g})"
            )
        of_batch.backward()
        nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM_MAX)
        for group in optimizer.param_groups:
            group["lr"] = peak * schedule.rate()
        optimizer.step()
        schedule.step += 1
    model.eval()
