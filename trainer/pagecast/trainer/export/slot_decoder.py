"""The decoder as the server runs it: many pages' caches in place, one step or one chunk at a time.

The exported form of `Decoder` (docs/adr/0012): attention is onnxruntime's GroupQueryAttention,
which rotates, writes new keys and values into the cache it was given, and reads no further than a
page is long; each residual addition and the norm after it are one operator. Queries come out of
their product already divided by the square root of a head's width, and gate and up are products of
their own (docs/adr/0023). In torch the same module computes the same from `Decoder.decode`, which
is what the exported graph is compared with.

Letters: B pages, S new positions, C positions a cache has room for, D width, H key/value heads,
K head width, Y layers, J half a head's width, M width of the MLP, X queries, keys and values.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pagecast.featurestore.prompt.semantic_ids import TOKENS_OF_ENTITY_MAX
from pagecast.rules.facts import ENTITIES_PER_ROW_MAX, ROWS_MAX
from pagecast.trainer.config import HEAD_DIM, ModelConfig
from pagecast.trainer.network.decoder import Block
from pagecast.trainer.network.model import PageModel

POSITIONS_MAX = 2304
"""Positions of a page in the server: the longest prompt (profile, 512 steps, context and request)
and the longest page (40 rows of 40 entities), a position each. See `positions_max`."""

CONTRIB = "com.microsoft"


def positions_max(config: ModelConfig) -> int:
    """Positions of the longest page of such a model, which may spell its entities: the table of
    rotations in the graph is this long, and so are a server's slots."""
    more = TOKENS_OF_ENTITY_MAX - 1 if config.semantic else 0
    return POSITIONS_MAX + more * ROWS_MAX * ENTITIES_PER_ROW_MAX


class SlotDecoder(nn.Module):
    """New tokens and caches in; hidden states and the caches with the new positions out.

    Hidden states are what the output head leaves: `ModelConfig.output_width` wide. With
    `gives_states` the decoder's own, which heads read (`prediction_heads`), come second.

    `last_B` is the index of each page's newest position, that of its last new token; `total` is one
    more than the largest of them. More than one new token (S > 1) is for one page (B = 1) only.
    """

    cos_CJ: Tensor
    sin_CJ: Tensor

    def __init__(self, model: PageModel, *, gives_states: bool = False) -> None:
        super().__init__()
        self.gives_states = gives_states
        self.decoder, self.head = model.decoder, model.head
        self.config = model.config
        angle_CJ = torch.arange(positions_max(model.config))[:, None].float()
        angle_CJ = angle_CJ * self.decoder.frequency_F
        self.register_buffer("cos_CJ", angle_CJ.cos(), persistent=False)
        self.register_buffer("sin_CJ", angle_CJ.sin(), persistent=False)
        self.first = nn.ModuleList(_First(block, model.config) for block in model.decoder.blocks)

    def forward(
        self, tokens_BSD: Tensor, last_B: Tensor, total: Tensor, *caches_BHCK: Tensor
    ) -> tuple[Tensor, ...]:
        """`caches_BHCK`: the keys of each layer, then the values of each layer; returned alike."""
        keys, values = caches_BHCK[: self.config.layers], caches_BHCK[self.config.layers :]
        if not torch.compiler.is_exporting():
            return self._in_torch(tokens_BSD, last_B, keys, values)
        new_keys, new_values = [], []
        residual_BSD = tokens_BSD
        added_BSD: Tensor | None = None
        for block, first, key_BHCK, value_BHCK in zip(
            self.decoder.blocks, self.first, keys, values, strict=True
        ):
            assert isinstance(block, Block) and isinstance(first, _First)
            normed_BSD, residual_BSD = _norm(block.attention_norm, residual_BSD, added_BSD)
            qkv_BSX = functional.linear(normed_BSD, first.qkv_XD)
            mixed_BSX, new_key_BHCK, new_value_BHCK = self._attend(
                qkv_BSX, key_BHCK, value_BHCK, last_B, total
            )
            new_keys.append(new_key_BHCK)
            new_values.append(new_value_BHCK)
            mixed_BSD = block.attention.out(mixed_BSX)
            normed_BSD, residual_BSD = _norm(block.mlp_norm, residual_BSD, mixed_BSD)
            gate_BSM = functional.linear(normed_BSD, first.gate_MD)
            up_BSM = functional.linear(normed_BSD, first.up_MD)
            added_BSD = block.down(functional.silu(gate_BSM) * up_BSM)
        state_BSD, _ = _norm(self.decoder.norm, residual_BSD, added_BSD)
        return *self._given(state_BSD), *new_keys, *new_values

    def _given(self, state_BSD: Tensor) -> tuple[Tensor, ...]:
        hidden_BSD: Tensor = self.head(state_BSD)
        return (hidden_BSD, state_BSD) if self.gives_states else (hidden_BSD,)

    def _attend(
        self, qkv_BSX: Tensor, key_BHCK: Tensor, value_BHCK: Tensor, last_B: Tensor, total: Tensor
    ) -> Sequence[Tensor]:
        width = self.config.query_heads * HEAD_DIM
        return torch.onnx.ops.symbolic_multi_out(
            f"{CONTRIB}::GroupQueryAttention",
            (qkv_BSX, None, None, key_BHCK, value_BHCK, last_B, total, self.cos_CJ, self.sin_CJ),
            attrs={
                "num_heads": self.config.query_heads,
                "kv_num_heads": self.config.kv_heads,
                "do_rotary": 1,
                "scale": 1.0,
            },
            dtypes=(qkv_BSX.dtype,) * 3,
            shapes=((*qkv_BSX.shape[:2], width), key_BHCK.shape, value_BHCK.shape),
        )

    def _in_torch(
        self,
        tokens_BSD: Tensor,
        last_B: Tensor,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
    ) -> tuple[Tensor, ...]:
        """Page by page: each has a past of its own length."""
        keys_YBHCK, values_YBHCK = torch.stack(list(keys)), torch.stack(list(values))
        state_BSD = torch.empty_like(tokens_BSD)
        new = tokens_BSD.shape[1]
        for page, last in enumerate(last_B.tolist()):
            one, past = slice(page, page + 1), last + 1 - new
            state_BSD[one], key_Y1HSK, value_Y1HSK = self.decoder.decode(
                tokens_BSD[one], keys_YBHCK[:, one, :, :past], values_YBHCK[:, one, :, :past]
            )
            keys_YBHCK[:, one, :, past : past + new] = key_Y1HSK
            values_YBHCK[:, one, :, past : past + new] = value_Y1HSK
        return *self._given(state_BSD), *keys_YBHCK, *values_YBHCK


class _First(nn.Module):
    """Weights of the products after a block's norms, as the graph multiplies with them.

    Queries are already divided by the square root of their width: a score of one token that is not
    scaled is a row times the cache, for which onnxruntime has a kernel that does not first copy
    the cache. Heads of 64 make that an eighth, so that no product of theirs rounds otherwise.
    """

    qkv_XD: Tensor
    gate_MD: Tensor
    up_MD: Tensor

    def __init__(self, block: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        assert isinstance(block, Block)
        qkv_XD = block.attention.qkv.weight.detach().clone()
        qkv_XD[: config.query_heads * HEAD_DIM] *= HEAD_DIM**-0.5
        gate_MD, up_MD = block.gate_up.weight.detach().chunk(2)
        self.register_buffer("qkv_XD", qkv_XD, persistent=False)
        self.register_buffer("gate_MD", gate_MD.clone(), persistent=False)
        self.register_buffer("up_MD", up_MD.clone(), persistent=False)


def _norm(norm: nn.RMSNorm, residual_BSD: Tensor, added_BSD: Tensor | None) -> Sequence[Tensor]:
    """The norm of the sum, and the sum."""
    assert norm.eps is not None
    shape, dtype = residual_BSD.shape, residual_BSD.dtype
    if added_BSD is None:
        normed_BSD = torch.onnx.ops.symbolic(
            "SimplifiedLayerNormalization",
            (residual_BSD, norm.weight),
            attrs={"epsilon": norm.eps, "axis": -1},
            dtype=dtype,
            shape=shape,
        )
        return normed_BSD, residual_BSD
    normed_BSD, _, _, sum_BSD = torch.onnx.ops.symbolic_multi_out(
        f"{CONTRIB}::SkipSimplifiedLayerNormalization",
        (residual_BSD, added_BSD, norm.weight),
        attrs={"epsilon": norm.eps},
        dtypes=(dtype,) * 4,
        shapes=(shape, (*shape[:2], 1), (*shape[:2], 1), shape),
    )
    return normed_BSD, sum_BSD
