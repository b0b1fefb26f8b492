"""Tokens trained on per CPU-second: by ours, and by a padded SASRec.

A token is a step of a history from which a training predicts what comes next, once per pass: for
ours every step, for SASRec every position that is not padding. What ours reads and predicts besides
(profiles, pages, openings, further entities ahead) costs it time and counts for nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from pagecast.trainer.benchmarks.sasrec import Loss, Sasrec, SasrecConfig, batches
from pagecast.trainer.benchmarks.views import newest
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.snapshot import Snapshot
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.job import TrainProgress
from pagecast.trainer.train import fit_on

WARM_STEPS = 3
"""Allocations of the first steps are not counted."""

POSITIONS = 4096
"""Of a SASRec's batch, as many as one of ours: larger ones were slower (benchmarks/model.md)."""

OURS, EVERYTHING = "pagecast", "pagecast, all positions"
"""Names of our figures: tokens, and every position that is not padding."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Passes over the same histories. `positions` has everything that is not padding."""

    tokens: float
    positions: float
    cpu_seconds: float


def in_rounds(
    data: Interactions,
    config: TrainConfig,
    *,
    length: int,
    passes: float,
    rounds: int,
    told: Callable[[float], None] = lambda _: None,
) -> dict[str, list[float]]:
    """Tokens per CPU-second of every system, and all of our positions, round by round.

    All get each user's newest `length` steps and the one after them: equal histories. They take
    turns, so that a busy machine's moods affect them all.
    """
    cut = newest(data, length + 1)
    measured: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        measured.setdefault(name, []).append(value)

    for number in range(rounds):
        speed = ours(cut, replace(config, epochs=passes))
        add(OURS, speed.tokens / speed.cpu_seconds)
        add(EVERYTHING, speed.positions / speed.cpu_seconds)
        for place, loss in enumerate(Loss, start=1):
            told((number + place / (1 + len(Loss))) / rounds)
            shape = SasrecConfig(length=length, loss=loss, batch=max(1, POSITIONS // length))
            speed = sasrec(cut, shape, passes)
            add(loss.value, speed.tokens / speed.cpu_seconds)
        told((number + 1) / rounds)
    return measured


def ours(data: Interactions, config: TrainConfig) -> Speed:
    """The trainer itself, as configured, on all of the data for `config.epochs` passes.

    Raises ValueError if those are a single step: nothing lies between two of them.
    """
    snapshot = Snapshot(catalog=data.catalog, users=data.users, positions={})
    cpu_s: list[float] = []

    def clock(_: TrainProgress) -> None:
        cpu_s.append(time.process_time())

    fitted = fit_on(snapshot, config, clock).fit
    if len(cpu_s) < 2:
        raise ValueError("passes: too few, the training has a single step")
    counted = len(cpu_s) - min(WARM_STEPS, len(cpu_s) - 1)
    share = counted / fitted.steps
    return Speed(
        tokens=share * fitted.epochs * sum(len(user.steps) for user in data.users),
        positions=share * fitted.tokens_per_second * fitted.seconds,
        cpu_seconds=cpu_s[-1] - cpu_s[-1 - counted],
    )


def sasrec(data: Interactions, config: SasrecConfig, passes: float, seed: int = 0) -> Speed:
    """A padded SASRec on the same interactions; AdamW and clipping as ours."""
    torch.manual_seed(seed)
    model = Sasrec(config, len(data.entities)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98))
    histories = _histories(data)
    drawn = batches(histories, config, len(data.entities), np.random.default_rng(seed))
    steps = max(1, round(passes * len(histories) / config.batch))
    tokens = positions = 0
    for number in range(WARM_STEPS + steps):
        if number == WARM_STEPS:
            began_s = time.process_time()
        batch = next(drawn)
        optimizer.zero_grad(set_to_none=True)
        model.loss(batch, config.loss).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if number >= WARM_STEPS:
            tokens, positions = tokens + batch.tokens, positions + batch.entity_BL.numel()
    return Speed(tokens=tokens, positions=positions, cpu_seconds=time.process_time() - began_s)


def _histories(data: Interactions) -> Sequence[npt.NDArray[np.int64]]:
    """Entities by user, of those with two interactions: one to read, one to predict."""
    histories = [data.entity_X[data.of(user)] for user in range(len(data.users))]
    return [entity_N for entity_N in histories if len(entity_N) > 1]
