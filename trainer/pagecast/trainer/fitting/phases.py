"""The two parts of a training: what each draws, asks of the model, and reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from pagecast.trainer.batches.batch import PackedBatch
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.fitting.forward import Embedded, losses, target_weights
from pagecast.trainer.fitting.inputs import StepInputs
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.post_training.value_loss import value_losses, value_weights
from pagecast.trainer.semantic.losses import semantic_losses


class Phase(Protocol):
    """A part's objective.

    A loss is a sum over targets divided by their weights. Divided by the weights of all processes'
    targets, the parts add up to the loss of the whole batch, and so do gradients.
    """

    @property
    def learning_rate(self) -> float:
        """Peak, after warm-up."""

    @property
    def told(self) -> tuple[str, ...]:
        """Names of the losses that are reported."""

    def weights(self, batch: PackedBatch | None) -> dict[str, float]:
        """What each loss of a batch is divided by, under its name."""

    def loss(
        self,
        model: PageModel,
        embedded: Embedded,
        given: StepInputs,
        share: Mapping[str, float],
    ) -> tuple[Tensor, dict[str, float]]:
        """This process's share of a batch's loss, and of each reported loss, in nats."""


@dataclass(frozen=True)
class Pretraining:
    """Likelihoods of what was chosen next, and of pages."""

    config: TrainConfig
    told = ("entity_loss", "row_loss")

    @property
    def learning_rate(self) -> float:
        return self.config.learning_rate

    def weights(self, batch: PackedBatch | None) -> dict[str, float]:
        return target_weights(batch)

    def loss(
        self,
        model: PageModel,
        embedded: Embedded,
        given: StepInputs,
        share: Mapping[str, float],
    ) -> tuple[Tensor, dict[str, float]]:
        lose = semantic_losses if model.config.semantic else losses
        whole = lose(
            model,
            embedded,
            given.batch,
            labels=given.labels,
            step_dropout=self.config.step_dropout,
            seen_compete=self.config.objective.seen_compete,
        )
        part = whole.scaled(share)
        told = {"entity_loss": float(part.pages.detach()), "row_loss": float(part.rows.detach())}
        return part.total(self.config.objective), told


@dataclass(frozen=True)
class PostTraining:
    """Weighted binary classification of what was shown (docs/papers.md 1.5)."""

    config: TrainConfig
    told = ("value_loss",)

    @property
    def learning_rate(self) -> float:
        return self.config.post.learning_rate

    def weights(self, batch: PackedBatch | None) -> dict[str, float]:
        return value_weights(batch)

    def loss(
        self,
        model: PageModel,
        embedded: Embedded,
        given: StepInputs,
        share: Mapping[str, float],
    ) -> tuple[Tensor, dict[str, float]]:
        whole = value_losses(model, embedded, given.batch, step_dropout=self.config.step_dropout)
        part = whole.scaled(share)
        return part.total(self.config.post), {"value_loss": float(part.entities.detach())}
