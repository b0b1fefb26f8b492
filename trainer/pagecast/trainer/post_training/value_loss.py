"""Weighted binary classification: how far logits are from what came of what was shown.

L = sum of w (-b log s(z) - (1 - b) log(1 - s(z))) over the sum of w, z being the logit of a token
at its position (docs/papers.md 1.5). After it a logit is the value of showing that token there, and
the greedy page is the most valuable next token, again and again.

Letters: X hidden positions, V targets, D width, E entities, R rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pagecast.trainer.batches.batch import PackedBatch
from pagecast.trainer.fitting.forward import Embedded, packed_hidden
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.page_config import PostTrainConfig
from pagecast.trainer.post_training.valued import ValueTargets


@dataclass(frozen=True, kw_only=True)
class ValueLosses:
    """Weighted mean binary cross-entropies, in nats; 0 where there is no target."""

    entities: Tensor
    rows: Tensor

    def total(self, config: PostTrainConfig) -> Tensor:
        return self.entities + config.rows * self.rows

    def scaled(self, share: Mapping[str, float]) -> "ValueLosses":
        """Each loss times what `share` has under its name."""
        return ValueLosses(
            entities=self.entities * share["entities"], rows=self.rows * share["rows"]
        )


def value_weights(batch: PackedBatch | None) -> dict[str, float]:
    """What each loss is divided by, under its name in `ValueLosses`; 0 without target."""
    if batch is None:
        return {"entities": 0.0, "rows": 0.0}
    return {"entities": batch.values.entities.weight, "rows": batch.values.rows.weight}


def value_losses(
    model: PageModel, embedded: Embedded, batch: PackedBatch, *, step_dropout: float = 0.0
) -> ValueLosses:
    """How far the model is from a batch's values. Only the logits that are asked for are made."""
    hidden_XD = packed_hidden(model, embedded, batch, step_dropout=step_dropout)
    return ValueLosses(
        entities=_loss(hidden_XD, embedded.entity_output_ED, batch.values.entities),
        rows=_loss(hidden_XD, embedded.row_output_RD, batch.values.rows),
    )


def _loss(hidden_XD: Tensor, output_ED: Tensor, targets: ValueTargets) -> Tensor:
    hidden_VD = hidden_XD[torch.from_numpy(targets.at_V)]
    output_VD = output_ED[torch.from_numpy(targets.token_V)]
    loss_V = functional.binary_cross_entropy_with_logits(
        (hidden_VD * output_VD).sum(1), torch.from_numpy(targets.label_V), reduction="none"
    )
    weight_V = torch.from_numpy(targets.weight_V)
    return (loss_V * weight_V).sum() / max(targets.weight, 1e-9)
