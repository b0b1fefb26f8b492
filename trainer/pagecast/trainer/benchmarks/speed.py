"""Tokens of training a CPU-second: ours, and a padded SASRec's.

A token is a step of a history that a training reads as an input and predicts from, once a pass: for
ours every step that has a request's position, for SASRec every position that is not padding. What
ours reads besides (profiles, pages, openings) costs time and counts nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from pagecast.trainer.benchmarks.sasrec import Sasrec, SasrecConfig, batches
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.interactions import Interactions
from pagecast.trainer.data import build_dataset
from pagecast.trainer.processes import Processes
from pagecast.trainer.run import Run
from pagecast.trainer.train import page_builder

WARM_STEPS = 3
"""Allocations of the first steps are not counted."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What was done between two looks at the clock, and what it took."""

    tokens: float
    positions: float
    """With padding and whatever is no token."""
    steps: int
    cpu_seconds: float

    @property
    def tokens_per_cpu_s(self) -> float:
        return self.tokens / self.cpu_seconds


def _measured(step: Callable[[], tuple[float, float]], cpu_seconds: float) -> Speed:
    """Takes steps, each of which tells its tokens and positions, for at least so long."""
    for _ in range(WARM_STEPS):
        step()
    tokens = positions = 0.0
    steps, began_s = 0, time.process_time()
    while (spent_s := time.process_time() - began_s) < cpu_seconds or not steps:
        more, among = step()
        tokens, positions, steps = tokens + more, positions + among, steps + 1
    return Speed(tokens=tokens, positions=positions, steps=steps, cpu_seconds=spent_s)


def ours(data: Interactions, config: TrainConfig, cpu_seconds: float) -> Speed:
    """Steps of the trainer itself on all of the data, every objective as configured."""
    dataset = build_dataset(data.catalog, data.users, config.engagement)
    run = Run(dataset, page_builder(dataset, config), config, Processes())

    def step() -> tuple[float, float]:
        before = dict(run.meter.totals)
        run.step()
        totals = run.meter.totals
        return totals["steps"] - before["steps"], totals["positions"] - before["positions"]

    return _measured(step, cpu_seconds)


def sasrec(data: Interactions, config: SasrecConfig, cpu_seconds: float, seed: int = 0) -> Speed:
    """Steps of a padded SASRec on the same interactions: AdamW and clipping as ours."""
    torch.manual_seed(seed)
    model = Sasrec(config, len(data.entities)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98))
    drawn = batches(_histories(data), config, len(data.entities), np.random.default_rng(seed))

    def step() -> tuple[float, float]:
        batch = next(drawn)
        optimizer.zero_grad(set_to_none=True)
        model.loss(batch, config.loss).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return batch.tokens, batch.entity_BL.numel()

    return _measured(step, cpu_seconds)


def _histories(data: Interactions) -> Sequence[npt.NDArray[np.int64]]:
    """Entities by user, of those with two interactions: one to read, one to predict."""
    histories = [data.entity_X[data.of(user)] for user in range(len(data.users))]
    return [entity_N for entity_N in histories if len(entity_N) > 1]
