"""The decoder: pre-RMSNorm blocks, rotary positions, grouped-query attention, gated MLP.

Letters: B batch, L positions of a packed sequence, S new positions, P past positions, D width,
H key/value heads, Q query heads, K head width, Y layers, T all a position sees, N branches.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from pagecast.trainer.config import HEAD_DIM, ModelConfig

HIDDEN = -1e9
"""Added to the score of what a position may not see; finite, so that no sum becomes NaN."""

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From `query_BQSK`, `key_BHTK` and `value_BHTK` to `mixed_BQSK`; knows who may see what."""


class Decoder(nn.Module):
    """A stack of blocks and the final norm.

    The same weights run four ways: packed (training), causal from nothing (prefill), causal on top
    of cached keys and values (decode), and as branches of what is cached (branch). Keys are cached
    after rotation.
    """

    frequency_F: Tensor

    recompute = False
    """Packed: computes each block again in the backward pass instead of remembering it."""

    def __init__(self, config: ModelConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(config, dropout) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.d_model, eps=1e-6)
        exponent_F = torch.arange(0, HEAD_DIM, 2, dtype=torch.float32) / HEAD_DIM
        self.register_buffer("frequency_F", config.rotary_base**-exponent_F, persistent=False)

    def packed(self, tokens_BLD: Tensor, position_BL: Tensor, mask_BLL: Tensor) -> Tensor:
        """Runs a packed sequence; `mask_BLL` is true where a position may look."""
        rotation = self._rotation(position_BL)
        attend = partial(_attend_fused, mask_B1ST=mask_BLL[:, None])
        for block in self.blocks:
            if self.recompute:
                # Restores the generator, so that dropout drops the same the second time.
                arguments = (tokens_BLD, rotation, attend)
                tokens_BLD = checkpoint(block, *arguments, use_reentrant=False)[0]
            else:
                tokens_BLD = block(tokens_BLD, rotation, attend)[0]
        hidden_BLD: Tensor = self.norm(tokens_BLD)
        return hidden_BLD

    def prefill(self, tokens_BSD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns `hidden_BSD`, `keys_YBHSK`, `values_YBHSK` of positions 0 to S-1."""
        new = tokens_BSD.shape[1]
        steps_S = torch.arange(new, device=tokens_BSD.device)
        return self._cached(tokens_BSD, steps_S, steps_S, None)

    def decode(
        self, tokens_BSD: Tensor, past_keys_YBHPK: Tensor, past_values_YBHPK: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns `hidden_BSD` and the keys and values of the S new positions only.

        New token s stands at position P + s and sees the past and the new ones up to itself.
        """
        new, past = tokens_BSD.shape[1], past_keys_YBHPK.shape[3]
        steps_S = torch.arange(new, device=tokens_BSD.device)
        every_T = torch.arange(past + new, device=tokens_BSD.device)
        return self._cached(
            tokens_BSD, past + steps_S, every_T, (past_keys_YBHPK, past_values_YBHPK)
        )

    def _cached(
        self,
        tokens_BSD: Tensor,
        position_S: Tensor,
        every_T: Tensor,
        past: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        bias_ST = torch.where(every_T[None] <= position_S[:, None], 0.0, HIDDEN)
        attend = partial(_attend_plainly, bias_ST=bias_ST)
        return self._keeping(tokens_BSD, position_S, [attend] * len(self.blocks), past)

    def branch(
        self, tokens_ND: Tensor, trunk: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Feeds each branch one more token: returns `hidden_ND` and the grown `own`.

        All go on from one `trunk`, keys and values `YHPK`, and have `own` ones, `YNHSK`, of the S
        tokens that each has taken since. No branch sees another.
        """
        at = trunk[0].shape[2] + own[0].shape[3]
        position_1 = torch.tensor([at], device=tokens_ND.device)
        attends = [partial(_attend_branching, trunk=layer) for layer in zip(*trunk, strict=True)]
        hidden_N1D, keys, values = self._keeping(tokens_ND[:, None], position_1, attends, own)
        grown = (torch.cat([own[0], keys], dim=3), torch.cat([own[1], values], dim=3))
        return hidden_N1D[:, 0], grown

    def _keeping(
        self,
        tokens_BSD: Tensor,
        position_S: Tensor,
        attends: Sequence[Attend],
        past: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden states, and the keys and values of the new positions; an `Attend` a layer."""
        rotation = self._rotation(position_S[None])
        keys, values = [], []
        for layer, (block, attend) in enumerate(zip(self.blocks, attends, strict=True)):
            layer_past = None if past is None else (past[0][layer], past[1][layer])
            tokens_BSD, key_BHSK, value_BHSK = block(tokens_BSD, rotation, attend, layer_past)
            keys.append(key_BHSK)
            values.append(value_BHSK)
        return self.norm(tokens_BSD), torch.stack(keys), torch.stack(values)

    def _rotation(self, position_BL: Tensor) -> tuple[Tensor, Tensor]:
        angle_BLF = position_BL[..., None].float() * self.frequency_F
        angle_B1LK = torch.cat([angle_BLF, angle_BLF], dim=-1)[:, None]
        return angle_B1LK.cos(), angle_B1LK.sin()


class Block(nn.Module):
    def __init__(self, config: ModelConfig, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.d_model, eps=1e-6)
        self.attention = _Attention(config)
        self.mlp_norm = nn.RMSNorm(config.d_model, eps=1e-6)
        self.gate_up = nn.Linear(config.d_model, 2 * config.mlp_hidden, bias=False)
        self.down = nn.Linear(config.mlp_hidden, config.d_model, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        tokens_BSD: Tensor,
        rotation: tuple[Tensor, Tensor],
        attend: Attend,
        past: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        mixed_BSD, key_BHSK, value_BHSK = self.attention(
            self.attention_norm(tokens_BSD), rotation, attend, past
        )
        tokens_BSD = tokens_BSD + self.dropout(mixed_BSD)
        gate_BSM, up_BSM = self.gate_up(self.mlp_norm(tokens_BSD)).chunk(2, dim=-1)
        tokens_BSD = tokens_BSD + self.dropout(self.down(functional.silu(gate_BSM) * up_BSM))
        return tokens_BSD, key_BHSK, value_BHSK


class _Attention(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.query_heads, self.kv_heads = config.query_heads, config.kv_heads
        heads = config.query_heads + 2 * config.kv_heads
        self.qkv = nn.Linear(config.d_model, heads * HEAD_DIM, bias=False)
        self.out = nn.Linear(config.query_heads * HEAD_DIM, config.d_model, bias=False)

    def forward(
        self,
        tokens_BSD: Tensor,
        rotation: tuple[Tensor, Tensor],
        attend: Attend,
        past: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, new, _ = tokens_BSD.shape
        heads_BSNK = self.qkv(tokens_BSD).view(batch, new, -1, HEAD_DIM)
        query_BSQK, key_BSHK, value_BSHK = heads_BSNK.split(
            [self.query_heads, self.kv_heads, self.kv_heads], dim=2
        )
        query_BQSK = _rotate(query_BSQK.transpose(1, 2), rotation)
        key_BHSK, value_BHSK = (
            _rotate(key_BSHK.transpose(1, 2), rotation),
            value_BSHK.transpose(1, 2),
        )
        key_BHTK, value_BHTK = key_BHSK, value_BHSK
        if past is not None:
            key_BHTK = torch.cat([past[0], key_BHSK], dim=2)
            value_BHTK = torch.cat([past[1], value_BHSK], dim=2)
        mixed_BQSK = attend(query_BQSK, key_BHTK, value_BHTK)
        mixed_BSX = mixed_BQSK.transpose(1, 2).reshape(batch, new, self.query_heads * HEAD_DIM)
        return self.out(mixed_BSX), key_BHSK, value_BHSK


def _attend_fused(
    query_BQSK: Tensor, key_BHTK: Tensor, value_BHTK: Tensor, mask_B1ST: Tensor
) -> Tensor:
    """For training: torch's kernel, with a mask of its own for each sequence."""
    group = query_BQSK.shape[1] // key_BHTK.shape[1]
    return functional.scaled_dot_product_attention(
        query_BQSK,
        key_BHTK.repeat_interleave(group, dim=1),
        value_BHTK.repeat_interleave(group, dim=1),
        attn_mask=mask_B1ST,
    )


def _attend_plainly(
    query_BQSK: Tensor, key_BHTK: Tensor, value_BHTK: Tensor, bias_ST: Tensor
) -> Tensor:
    """For the exported graphs: a group's queries share one product, so no key is copied."""
    batch, heads, new, width = query_BQSK.shape
    kv_heads = key_BHTK.shape[1]
    grouped_BHXK = query_BQSK.reshape(batch, kv_heads, heads // kv_heads * new, width)
    score_BHXT = (grouped_BHXK * width**-0.5) @ key_BHTK.transpose(2, 3)
    score_BQST = score_BHXT.reshape(batch, heads, new, -1) + bias_ST
    weight_BHXT = torch.softmax(score_BQST, dim=-1).reshape(score_BHXT.shape)
    return (weight_BHXT @ value_BHTK).reshape(batch, heads, new, width)


def _attend_branching(
    query_NQ1K: Tensor, key_NHSK: Tensor, value_NHSK: Tensor, trunk: tuple[Tensor, Tensor]
) -> Tensor:
    """For branches: the trunk's keys are not copied, and no branch sees another's."""
    branches, heads, _, width = query_NQ1K.shape
    past_HPK, value_HPK = trunk
    kv_heads, past = past_HPK.shape[:2]
    query_NHGK = query_NQ1K.reshape(branches, kv_heads, heads // kv_heads, width) * width**-0.5
    score_NHGT = torch.cat(
        [
            torch.einsum("nhgk,hpk->nhgp", query_NHGK, past_HPK),
            query_NHGK @ key_NHSK.transpose(2, 3),
        ],
        dim=-1,
    )
    weight_NHGT = torch.softmax(score_NHGT, dim=-1)
    mixed_NHGK = torch.einsum("nhgp,hpk->nhgk", weight_NHGT[..., :past], value_HPK)
    mixed_NHGK = mixed_NHGK + weight_NHGT[..., past:] @ value_NHSK
    return mixed_NHGK.reshape(branches, heads, 1, width)


def _rotate(heads_BNSK: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cos_B1SK, sin_B1SK = rotation
    first, second = heads_BNSK.chunk(2, dim=-1)
    return heads_BNSK * cos_B1SK + torch.cat([-second, first], dim=-1) * sin_B1SK
