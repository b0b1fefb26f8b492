"""The page by `generate()` of Hugging Face's transformers, which is installed for this alone.

Our decoder computes what a Llama does, so the peer is a Llama with our weights, whose page equals
ours token by token, but for near ties. Rows and entities are its vocabulary, the prompt comes as
embeddings, and a logits processor makes the choices under the rules.
"""

import time
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from pagecast.cli.bench.serve.alone import Timed, Turn
from pagecast.cli.bench.serve.asked import Clock
from pagecast.cli.bench.serve.peers import GreedyPage, output_table
from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.page_rules import PageRules
from pagecast.trainer.config import HEAD_DIM
from pagecast.trainer.network.model import PageModel

POSITIONS_MAX = 4096
"""Positions of a prompt and its page."""


def is_installed() -> bool:
    """Whether there is a transformers to import."""
    return find_spec("transformers") is not None


def generate_turn(
    torch_model: PageModel,
    model: Model,
    prompt: Prompt,
    rules: PageRules,
    clock: Clock = time.thread_time,
) -> Turn:
    """The same page; embedding the prompt counts, as it does for the other peers."""
    output_VD = output_table(model)
    entities = len(model.entities.output_ND)
    llama = _llama(torch_model, model, output_VD)

    def turn(timed: Timed) -> None:
        began_s = clock()
        rows_s: list[float] = []
        tokens_TD = tokens_of(model, encode(model, prompt))
        page = GreedyPage(rules, entities, lambda: rows_s.append(clock()))
        _generate(llama, tokens_TD, model.row_input_RD + tokens_TD[-1], page)
        timed.page_ms.append((clock() - began_s) * 1000)
        timed.first_row_ms.append((rows_s[0] - began_s) * 1000)
        timed.placed = page.placed

    return turn


@torch.inference_mode()
def _generate(llama: Any, tokens_TD: FloatArray, rows_RD: FloatArray, page: GreedyPage) -> None:
    """`rows_RD` are the rows' inputs on this page, which carry its request."""
    llama.get_input_embeddings().weight[-len(rows_RD) :] = torch.from_numpy(rows_RD)
    llama.generate(
        inputs_embeds=torch.from_numpy(tokens_TD)[None],
        attention_mask=torch.ones(1, len(tokens_TD), dtype=torch.long),
        max_new_tokens=POSITIONS_MAX - len(tokens_TD),
        do_sample=False,
        logits_processor=[_Choosing(page)],
        stopping_criteria=[_Completed(page)],
    )


class _Choosing:
    """Leaves the one token that the page takes."""

    def __init__(self, page: GreedyPage) -> None:
        self._page = page

    def __call__(self, _input_ids: Tensor, scores: Tensor) -> Tensor:
        token = self._page.choose(scores[0].numpy())
        scores.fill_(-torch.inf)
        scores[0, token] = 0.0
        return scores


class _Completed:
    def __init__(self, page: GreedyPage) -> None:
        self._page = page

    def __call__(self, _input_ids: Tensor, _scores: Tensor, **_: Any) -> Tensor:
        return torch.tensor([self._page.complete])


def _llama(torch_model: PageModel, model: Model, output_VD: FloatArray) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    ours = torch_model.config
    assert not ours.output_dim and not ours.conditioned_head, "the benchmark's head is none"
    config = LlamaConfig(
        vocab_size=len(output_VD),
        hidden_size=ours.d_model,
        intermediate_size=ours.mlp_hidden,
        num_hidden_layers=ours.layers,
        num_attention_heads=ours.query_heads,
        num_key_value_heads=ours.kv_heads,
        head_dim=HEAD_DIM,
        max_position_embeddings=POSITIONS_MAX,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": ours.rotary_base},
        bos_token_id=None,
        eos_token_id=None,
    )
    llama = LlamaForCausalLM(config).eval()
    llama.load_state_dict(_weights(torch_model, model, output_VD))
    return llama


def _weights(torch_model: PageModel, model: Model, output_VD: FloatArray) -> dict[str, Tensor]:
    """Our weights by a Llama's names; input embeddings of rows are added page by page."""
    ours, decoder = torch_model.config, torch_model.decoder
    inputs_VD = torch.zeros(output_VD.shape)
    inputs_VD[: len(model.entities.input_ND)] = torch.tensor(model.entities.input_ND)
    weights = {
        "model.embed_tokens.weight": inputs_VD,
        "model.norm.weight": decoder.norm.weight,
        "lm_head.weight": torch.from_numpy(output_VD),
    }
    queries = ours.query_heads * HEAD_DIM
    keys = queries + ours.kv_heads * HEAD_DIM
    for layer, block in enumerate(decoder.blocks):
        block_weights: dict[str, Tensor] = block.state_dict()
        qkv = block_weights["attention.qkv.weight"]
        gate, up = block_weights["gate_up.weight"].chunk(2)
        of_block = {
            "input_layernorm": block_weights["attention_norm.weight"],
            "self_attn.q_proj": qkv[:queries],
            "self_attn.k_proj": qkv[queries:keys],
            "self_attn.v_proj": qkv[keys:],
            "self_attn.o_proj": block_weights["attention.out.weight"],
            "post_attention_layernorm": block_weights["mlp_norm.weight"],
            "mlp.gate_proj": gate,
            "mlp.up_proj": up,
            "mlp.down_proj": block_weights["down.weight"],
        }
        weights |= {f"model.layers.{layer}.{name}.weight": one for name, one in of_block.items()}
    return weights
