"""The training loop: packed pages, AdamW, a schedule that ends when its time is up."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pagecast.trainer.batch import PackedBatch
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data import Dataset, catalog_features, row_ids
from pagecast.trainer.examples import Examples
from pagecast.trainer.forward import Losses, embed, losses
from pagecast.trainer.launches import Launches
from pagecast.trainer.model import PageModel
from pagecast.trainer.pages import PageBuilder
from pagecast.trainer.schedule import Schedule

LOSS_SMOOTHING = 0.98
"""Share of the old in the running mean of the loss that is reported."""


@dataclass(frozen=True, kw_only=True)
class FitProgress:
    """Where a training is. Losses are running means in nats, `eta_s` is the time left."""

    step: int
    share_done: float
    entity_loss: float
    row_loss: float
    examples_per_second: float
    eta_s: float


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """A trained model in evaluation mode, and what it took."""

    model: PageModel
    steps: int
    epochs: float
    seconds: float
    entity_loss: float
    row_loss: float


def fit(
    data: Dataset,
    builder: PageBuilder,
    config: TrainConfig,
    progress: Callable[[FitProgress], None] = lambda _: None,
) -> FitResult:
    """Trains a model from scratch.

    The same data, config and seed give the same weights as long as the budget of time does not
    end the loop. Raises NothingToTrainError if there is nothing.
    """
    torch.manual_seed(config.seed)
    examples = Examples(data, builder, config)
    model = PageModel(config.model, data.vocabulary, dropout=config.dropout).train()
    features = catalog_features(data.catalog, data.vocabulary)
    model.tower.remember_seen(features)
    launches = Launches(features, launch_rate=config.launch_rate, unknown_rate=config.unknown_rate)
    generator = torch.Generator().manual_seed(config.seed)
    row_ids_R = row_ids(data.catalog, data.vocabulary)
    optimizer = _optimizer(model, config)
    schedule = Schedule(
        steps_max=math.ceil(config.epochs * examples.batches_per_epoch),
        budget_s=config.budget_minutes * 60.0,
        warm_up=config.warm_up,
    )
    meter = _Meter(schedule)
    for batch in examples.forever(np.random.default_rng(config.seed)):
        if schedule.done:
            break
        embedded = embed(model, launches.draw(generator), row_ids_R)
        loss = losses(model, embedded, batch, step_dropout=config.step_dropout)
        _step(model, optimizer, loss.total(config.objective), schedule, config)
        progress(meter.read(batch, loss))
    return FitResult(
        model=model.eval(),
        steps=schedule.step,
        epochs=schedule.step / examples.batches_per_epoch,
        seconds=schedule.seconds,
        entity_loss=meter.entity_loss,
        row_loss=meter.row_loss,
    )


def _optimizer(model: PageModel, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW; norms and biases do not decay."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=(0.9, 0.98),
    )


def _step(
    model: PageModel,
    optimizer: torch.optim.Optimizer,
    loss: Tensor,
    schedule: Schedule,
    config: TrainConfig,
) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.gradient_norm_max)
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * schedule.rate()
    optimizer.step()
    schedule.step += 1


class _Meter:
    """Running means for the progress report."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule, self._examples = schedule, 0
        self.entity_loss = self.row_loss = math.nan

    def read(self, batch: PackedBatch, loss: Losses) -> FitProgress:
        self._examples += len(batch.history.at_J) + len(batch.pages.at_J) + len(batch.row_from_M)
        self.entity_loss = _smoothed(self.entity_loss, float(loss.pages.detach()))
        self.row_loss = _smoothed(self.row_loss, float(loss.rows.detach()))
        return FitProgress(
            step=self._schedule.step,
            share_done=self._schedule.share,
            entity_loss=self.entity_loss,
            row_loss=self.row_loss,
            examples_per_second=self._examples / max(self._schedule.seconds, 1e-9),
            eta_s=self._schedule.eta_s,
        )


def _smoothed(mean: float, value: float) -> float:
    if math.isnan(mean):
        return value
    return LOSS_SMOOTHING * mean + (1.0 - LOSS_SMOOTHING) * value
