"""What a page is compared with: the same weights, decoded as one would first write it.

Both peers feed one token at a time, compute the logits of every token and mask them afterwards;
both keep a cache that grows by concatenation. They get the prompt's tokens, the embeddings and the
grammar from us, so only the decoding differs.

Letters in names: T prompt positions, P past positions, D width, O width of hidden states, V
entities and rows together.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import Tensor, nn

from pagecast.engine.choice import choose
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.rules.page_rules import PageRules
from pagecast.rules.page_state import NO_ARGUMENT, PageState
from pagecast.trainer.export.graphs import GraphSpec, export
from pagecast.trainer.network.model import PageModel


class Peer(Protocol):
    """Logits of everything after each token."""

    def prefill(self, tokens_TD: FloatArray) -> FloatArray: ...

    def step(self, token_D: FloatArray) -> FloatArray: ...


class TorchEager:
    """PyTorch, eager, with a KV cache."""

    def __init__(self, model: PageModel, output_VO: FloatArray) -> None:
        self._decoder, self._head = model.decoder, model.head
        self._output_VO = torch.from_numpy(output_VO)
        self._cache: tuple[Tensor, Tensor]

    @torch.inference_mode()
    def prefill(self, tokens_TD: FloatArray) -> FloatArray:
        hidden_BTD, *cache = self._decoder.prefill(torch.from_numpy(tokens_TD)[None])
        self._cache = (cache[0], cache[1])
        return self._logits(hidden_BTD)

    @torch.inference_mode()
    def step(self, token_D: FloatArray) -> FloatArray:
        new = self._decoder.decode(torch.tensor(token_D)[None, None], *self._cache)
        pairs = zip(self._cache, new[1:], strict=True)
        keys, values = (torch.cat(pair, dim=3) for pair in pairs)
        self._cache = (keys, values)
        return self._logits(new[0])

    def _logits(self, hidden_BSD: Tensor) -> FloatArray:
        hidden_O = self._head(hidden_BSD[0, -1])
        logits_V: npt.NDArray[np.float32] = (self._output_VO @ hidden_O).numpy()
        return logits_V


class _Prefill(nn.Module):
    output_OV: Tensor

    def __init__(self, model: PageModel, output_VO: Tensor) -> None:
        super().__init__()
        self.decoder, self.head = model.decoder, model.head
        self.register_buffer("output_OV", output_VO.T.contiguous())

    def forward(self, tokens_BSD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden_BSD, keys, values = self.decoder.prefill(tokens_BSD)
        return self.head(hidden_BSD[:, -1]) @ self.output_OV, keys, values


class _Step(_Prefill):
    def forward(  # type: ignore[override]
        self, tokens_BSD: Tensor, past_keys: Tensor, past_values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        hidden_BSD, keys, values = self.decoder.decode(tokens_BSD, past_keys, past_values)
        keys = torch.cat([past_keys, keys], dim=3)
        values = torch.cat([past_values, values], dim=3)
        return self.head(hidden_BSD[:, -1]) @ self.output_OV, keys, values


class PlainOnnx:
    """onnxruntime, a plain export of torch with the full head in the graph."""

    def __init__(self, model: PageModel, output_VO: FloatArray) -> None:
        output = torch.from_numpy(output_VO)
        layers, heads = model.config.layers, model.config.kv_heads
        past = {1: "B", 3: "P"}
        outputs = ("logits_BV", "keys", "values")
        tokens = {"tokens_BSD": {0: "B", 1: "S"}}
        width = model.config.d_model
        cache = torch.zeros(layers, 2, heads, 9, 64)
        self._prefill = _session(
            GraphSpec(
                name="prefill", module=_Prefill(model, output), inputs=tokens, outputs=outputs
            ),
            [torch.zeros(2, 3, width)],
        )
        self._step = _session(
            GraphSpec(
                name="step",
                module=_Step(model, output),
                inputs={**tokens, "past_keys": past, "past_values": past},
                outputs=outputs,
            ),
            [torch.zeros(2, 3, width), cache, cache],
        )
        self._cache: list[FloatArray] = []

    def prefill(self, tokens_TD: FloatArray) -> FloatArray:
        logits_BV, *self._cache = self._prefill.run(None, {"tokens_BSD": tokens_TD[None]})
        return logits_BV[0]  # type: ignore[no-any-return]

    def step(self, token_D: FloatArray) -> FloatArray:
        keys, values = self._cache
        fed = {"tokens_BSD": token_D[None, None], "past_keys": keys, "past_values": values}
        logits_BV, *self._cache = self._step.run(None, fed)
        return logits_BV[0]  # type: ignore[no-any-return]


def _session(spec: GraphSpec, example: list[Tensor]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        export(spec, example), options, providers=["CPUExecutionProvider"]
    )


def output_table(model: Model) -> FloatArray:
    """The output embeddings [V, O] of all entities, then all rows."""
    return np.concatenate([model.entities.output_ND, model.row_output_RD])


class GreedyPage:
    """Turns logits of everything into a page, token by token.

    A token is an entity or, after all entities, a row.
    """

    def __init__(self, rules: PageRules, entities: int, on_row: Callable[[], None]) -> None:
        self.placed: list[int] = []
        """Entities, and `-1 - row` for rows, in order."""
        self._state, self._entities, self._on_row = PageState(rules), entities, on_row
        self._in_row = False

    @property
    def complete(self) -> bool:
        return self._state.page_complete

    def choose(self, logits_V: FloatArray) -> int:
        """The next token of an incomplete page."""
        entities_N, rows_R = logits_V[: self._entities], logits_V[self._entities :]
        if self._in_row:
            token = choose(entities_N, self._state.entity_mask_N).position
            self._state.place(token)
            self.placed.append(token)
        else:
            row = choose(rows_R, self._state.row_mask_R).position
            argument = self._state.begin_row(row)
            assert argument == NO_ARGUMENT, "the benchmark's rows have none"
            self.placed.append(-1 - row)
            token = self._entities + row
        self._in_row = not self._state.row_complete
        if not self._in_row:
            self._state.end_row()
            self._on_row()
        return token


def decode_by(
    peer: Peer,
    model: Model,
    tokens_TD: FloatArray,
    rules: PageRules,
    on_row: Callable[[], None],
) -> list[int]:
    """A whole page; returns what `GreedyPage.placed` says."""
    entities = len(model.entities.output_ND)
    page = GreedyPage(rules, entities, on_row)
    logits_V = peer.prefill(tokens_TD)
    while True:
        token = page.choose(logits_V)
        if page.complete:
            return page.placed
        logits_V = peer.step(
            model.entities.input_ND[token]
            if token < entities
            else model.row_token(token - entities, NO_ARGUMENT, tokens_TD[-1])
        )
