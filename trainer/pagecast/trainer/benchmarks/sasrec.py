"""A plain SASRec (Kang and McAuley 2018), padded to one length: what our speed stands beside.

Written as it usually is in torch: learned positions, torch's fused causal attention, a plain
two-layer MLP, the loss at every position of the padded batch.

Letters: B users, L the padded length, D width, Q heads, K their width, E entities, X = B * L,
N interactions of a user.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

PADDING = 0
"""The entity of a position without one; entities are counted from 1."""


class Loss(Enum):
    """What is asked at every position."""

    SOFTMAX = "softmax"
    """Cross-entropy over the whole catalog, at padding too: masked out afterwards."""
    SOFTMAX_UNPADDED = "softmax-unpadded"
    """The same, only at positions that are not padding: the care few implementations take."""
    BCE = "bce"
    """The original's: the next entity against one drawn at random."""


@dataclass(frozen=True, kw_only=True)
class SasrecConfig:
    """Shape and batch."""

    length: int
    """Positions of every sequence; the newest interactions stay."""
    loss: Loss
    batch: int
    """Users of a batch."""
    d_model: int = 128
    """As wide as profile `tiny`."""
    layers: int = 2
    heads: int = 2
    mlp_hidden: int = 384
    """As many weights as the gated MLP of `tiny`, which has three matrices of 256."""
    dropout: float = 0.2


class Sasrec(nn.Module):
    """Input and output embeddings are tied, as in the original."""

    def __init__(self, config: SasrecConfig, entities: int) -> None:
        super().__init__()
        d_model = config.d_model
        self.entity = nn.Embedding(entities + 1, d_model, padding_idx=PADDING)
        self.position = nn.Embedding(config.length, d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, entity_BL: Tensor) -> Tensor:
        """Returns `hidden_BLD`. Padding is on the right, where causal attention does not look."""
        hidden_BLD = self.dropout(self.entity(entity_BL) + self.position.weight)
        for block in self.blocks:
            hidden_BLD = block(hidden_BLD)
        normed_BLD: Tensor = self.norm(hidden_BLD)
        return normed_BLD

    def loss(self, batch: "Batch", loss: Loss) -> Tensor:
        """Mean over the positions that are not padding, in nats."""
        hidden_BLD, table_ED = self(batch.entity_BL), self.entity.weight
        if loss is Loss.BCE:
            real_BL = batch.next_BL != PADDING
            score_BL = (hidden_BLD * self.entity(batch.next_BL)).sum(-1)
            other_BL = (hidden_BLD * self.entity(batch.negative_BL)).sum(-1)
            loss_BL = functional.softplus(-score_BL) + functional.softplus(other_BL)
            return (loss_BL * real_BL).sum() / real_BL.sum()
        hidden_XD, next_X = hidden_BLD.flatten(0, 1), batch.next_BL.flatten()
        if loss is Loss.SOFTMAX_UNPADDED:
            real_X = next_X != PADDING
            hidden_XD, next_X = hidden_XD[real_X], next_X[real_X]
        return functional.cross_entropy(hidden_XD @ table_ED.T, next_X, ignore_index=PADDING)


class _Block(nn.Module):
    def __init__(self, config: SasrecConfig) -> None:
        super().__init__()
        d_model = config.d_model
        self.heads = config.heads
        self.attention_norm, self.mlp_norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.up = nn.Linear(d_model, config.mlp_hidden)
        self.down = nn.Linear(config.mlp_hidden, d_model)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden_BLD: Tensor) -> Tensor:
        batch, length, d_model = hidden_BLD.shape
        qkv = self.qkv(self.attention_norm(hidden_BLD)).view(batch, length, 3, self.heads, -1)
        query_BQLK, key_BQLK, value_BQLK = qkv.permute(2, 0, 3, 1, 4)
        mixed_BQLK = functional.scaled_dot_product_attention(
            query_BQLK, key_BQLK, value_BQLK, is_causal=True
        )
        mixed_BLD = mixed_BQLK.transpose(1, 2).reshape(batch, length, d_model)
        attended_BLD: Tensor = self.dropout(self.out(mixed_BLD))
        hidden_BLD = hidden_BLD + attended_BLD
        up_BLM = functional.relu(self.up(self.mlp_norm(hidden_BLD)))
        moved_BLD: Tensor = self.dropout(self.down(up_BLM))
        return hidden_BLD + moved_BLD


@dataclass(frozen=True, kw_only=True)
class Batch:
    """`next_BL` follows `entity_BL`; `negative_BL` is drawn at random."""

    entity_BL: Tensor
    next_BL: Tensor
    negative_BL: Tensor

    @property
    def tokens(self) -> int:
        """Positions that are not padding."""
        return int((self.next_BL != PADDING).sum())


def batches(
    histories: Sequence[npt.NDArray[np.int64]],
    config: SasrecConfig,
    entities: int,
    rng: np.random.Generator,
) -> Iterator[Batch]:
    """Passes without end over histories of entities (from 0), in a new order each."""
    while True:
        order = rng.permutation(len(histories))
        for begin in range(0, len(order), config.batch):
            chosen = [histories[number] for number in order[begin : begin + config.batch]]
            columns_2BL = np.zeros((2, len(chosen), config.length), np.int64)
            for b, entity_N in enumerate(chosen):
                newest_N = entity_N[-config.length - 1 :] + 1
                columns_2BL[0, b, : len(newest_N) - 1] = newest_N[:-1]
                columns_2BL[1, b, : len(newest_N) - 1] = newest_N[1:]
            negative_BL = rng.integers(1, entities + 1, columns_2BL.shape[1:])
            yield Batch(
                entity_BL=torch.from_numpy(columns_2BL[0]),
                next_BL=torch.from_numpy(columns_2BL[1]),
                negative_BL=torch.from_numpy(negative_BL),
            )
