"""What a prompt costs: compressed histories in prefill, a bias over time or distance in decode.

    python benchmarks/prompt.py prefill small
    python benchmarks/prompt.py decode small

Prompts go through graphs as the trainer exports them, fed as the server feeds them: random weights,
onnxruntime with one thread, one prompt. Prints milliseconds of CPU, median and lowest of the
rounds; the variants take turns. model.md has the results. No model has a bias, so the decoder's
variants with one stand here.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import onnxruntime
import torch
from torch import Tensor, nn

from pagecast.engine.batching.slot_decoder import SlotDecoder
from pagecast.engine.graph import Array, EngineConfig, Graph
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.config import HEAD_DIM, ModelConfig
from pagecast.trainer.export.bundle import shape_of
from pagecast.trainer.export.graphs import OPSET, export, graph_specs
from pagecast.trainer.export.parity import EXAMPLE, RandomInputs
from pagecast.trainer.network.decoder import HIDDEN
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.profiles import PROFILES

PAST = 260
STEPS_A_CALL = 20
TIME_BUCKETS = 32
BIASES = ("none", "slope", "time", "time a layer")

VOCABULARY = Vocabulary(
    entities=tuple(f"e{i}" for i in range(1682)),
    entity_interactions=(1,) * 1682,
    rows=tuple("abcdefgh"),
    genres=tuple(f"g{i}" for i in range(18)),
)


class BiasedDecode(nn.Module):
    """A decode graph that is given its cache, with something added to every attention score.

    `slope`: the distance in positions times a slope per head. `time`: for each head, an embedding
    of each position's time bucket; `time a layer`: another one for each block.
    """

    def __init__(self, model: PageModel, bias: str) -> None:
        super().__init__()
        heads, layers = model.config.query_heads, model.config.layers
        self.decoder, self.bias = model.decoder, bias
        self.slope_Q = nn.Parameter(torch.rand(heads))
        self.time_YNQ = nn.Parameter(torch.randn(layers, TIME_BUCKETS, heads))

    def forward(
        self, tokens_BSD: Tensor, keys: Tensor, values: Tensor, bucket_BT: Tensor
    ) -> tuple[Tensor, ...]:
        new, past = tokens_BSD.shape[1], keys.shape[3]
        every_T, position_S = torch.arange(past + new), past + torch.arange(new)
        bias = torch.where(every_T[None] <= position_S[:, None], 0.0, HIDDEN)
        if self.bias == "slope":
            bias = bias - self.slope_Q[:, None, None] * (position_S[:, None] - every_T).float()
        if self.bias == "time":
            bias = bias + self._of_time(0, bucket_BT)
        rotation = self.decoder._rotation(position_S[None])
        new_keys, new_values = [], []
        for layer, block in enumerate(self.decoder.blocks):
            own = self._of_time(layer, bucket_BT) if self.bias == "time a layer" else 0.0
            tokens_BSD, key, value = block(
                tokens_BSD, rotation, bias + own, (keys[layer], values[layer])
            )
            new_keys.append(key)
            new_values.append(value)
        return self.decoder.norm(tokens_BSD), torch.stack(new_keys), torch.stack(new_values)

    def _of_time(self, layer: int, bucket_BT: Tensor) -> Tensor:
        return self.time_YNQ[layer][bucket_BT].transpose(1, 2)[:, :, None]


def session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def prefills(config: ModelConfig) -> dict[str, Callable[[], object]]:
    """Prompts embedded, then fed in chunks to an empty slot, as the server does it."""
    calls: dict[str, Callable[[], object]] = {}
    lengths = {
        0: {"256 plain": (258, 0), "512 plain": (514, 0)},
        64: {"512 compressed": (130, 96), "447 compressed": (193, 64)},
    }
    for keep, prompts in lengths.items():
        model = PageModel(replace(config, compress_keep=keep), VOCABULARY).eval()
        _, prompt, decode = graph_specs(model)
        inputs = RandomInputs(model=model, vocabulary=VOCABULARY)
        embed, run = (
            Graph(spec.name, export(spec, inputs.draw(spec.name, EXAMPLE, 0)), EngineConfig())
            for spec in (prompt, decode)
        )
        decoder = SlotDecoder(run, shape_of(model, VOCABULARY), slots=1)
        for name, (plain, groups) in prompts.items():
            drawn = inputs.draw("prompt", {"B": 1, "T": plain, "G": groups}, 1)
            fed = {n: d.numpy() for n, d in zip(prompt.inputs, drawn, strict=True)}
            calls[name] = partial(_prefill, embed, decoder, fed)
    return calls


def _prefill(embed: Graph, decoder: SlotDecoder, fed: Mapping[str, Array]) -> object:
    decoder.slots.begin(0)
    return decoder.feed(0, embed.run(fed)["tokens_BTD"][0])


def decodes(config: ModelConfig) -> dict[str, Callable[[], object]]:
    model = PageModel(config, VOCABULARY).eval()
    calls: dict[str, Callable[[], object]] = {}
    for bias in BIASES:
        graph = session(_exported(BiasedDecode(model, bias).eval(), config))
        drawn = dict(zip(("t", "k", "v", "b"), _inputs(config, 1, 1, PAST), strict=True))
        fed = {each.name: drawn[each.name].numpy() for each in graph.get_inputs()}
        calls[bias] = partial(_decode, graph, fed)
    return calls


def _decode(graph: onnxruntime.InferenceSession, fed: Mapping[str, Array]) -> object:
    return [graph.run(None, fed) for _ in range(STEPS_A_CALL)]


def _inputs(config: ModelConfig, batch: int, new: int, past: int) -> tuple[Tensor, ...]:
    cache = (config.layers, batch, config.kv_heads, past, HEAD_DIM)
    buckets_BT = torch.randint(0, TIME_BUCKETS, (batch, past + new))
    tokens_BSD = torch.randn(batch, new, config.d_model)
    return tokens_BSD, torch.randn(cache), torch.randn(cache), buckets_BT


def _exported(module: nn.Module, config: ModelConfig) -> bytes:
    past = {1: "B", 3: "P"}
    program = torch.onnx.export(
        module,
        _inputs(config, 2, 3, 9),
        dynamo=True,
        opset_version=OPSET,
        input_names=["t", "k", "v", "b"],
        dynamic_shapes=({0: "B", 1: "S"}, past, past, {0: "B", 1: "T"}),
        verbose=False,
    )
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


def timed(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    took: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            began_s = time.process_time()
            call()
            if number:  # the first round warms up
                took[name].append((time.process_time() - began_s) * 1000)
    return {
        name: {"median_ms": round(statistics.median(ms), 3), "lowest_ms": round(min(ms), 3)}
        for name, ms in took.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["prefill", "decode"])
    parser.add_argument("profile", choices=sorted(PROFILES))
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    make = prefills if asked.what == "prefill" else decodes
    print(json.dumps(timed(make(PROFILES[asked.profile]), asked.rounds)))


if __name__ == "__main__":
    main()
