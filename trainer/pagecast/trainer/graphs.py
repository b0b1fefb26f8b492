"""The three ONNX graphs of a bundle, and their comparison with torch.

Letters, as in the graphs' names: L layers, B batch, T prompt positions, S new positions, P past
positions, D width, F fields, G groups of old steps, M steps of a group, U positions after
compression, H key/value heads, K head width, E entities. The tower's inputs have the letters of
`tower`. Hidden states come out of prefill and decode as the output head leaves them (`heads`): they
and `output_ED` are `ModelConfig.output_width` wide.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import onnx
import torch
from torch import Tensor, nn

from pagecast.trainer.merger import behind_profile
from pagecast.trainer.model import PageModel
from pagecast.trainer.tower import FEATURES

OPSET = 20
"""Plain operators that every onnxruntime since 1.17 runs."""


@dataclass(frozen=True, kw_only=True)
class GraphSpec:
    """A graph's module, and the names and symbolic axes of its inputs and outputs."""

    name: str
    module: nn.Module
    inputs: Mapping[str, Mapping[int, str]]
    outputs: Sequence[str]


class TowerGraph(nn.Module):
    """Features of entities in, `input_ED` and `output_ED` out."""

    def __init__(self, model: PageModel) -> None:
        super().__init__()
        self.tower = model.tower

    def forward(self, *features: Tensor) -> tuple[Tensor, Tensor]:
        embeddings: tuple[Tensor, Tensor] = self.tower(dict(zip(FEATURES, features, strict=True)))
        return embeddings


class PrefillGraph(nn.Module):
    """A prompt in; hidden state and token of the last position, all keys and values out."""

    def __init__(self, model: PageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, entity_BTD: Tensor, fields_BTF: Tensor) -> tuple[Tensor, ...]:
        tokens_BTD = self.model.embed_steps(entity_BTD, fields_BTF)
        hidden_BTD, keys_LBHTK, values_LBHTK = self.model.decoder.prefill(tokens_BTD)
        return self.model.head(hidden_BTD[:, -1]), keys_LBHTK, values_LBHTK, tokens_BTD[:, -1]


class CompressedPrefillGraph(nn.Module):
    """The same for a model that compresses: old steps come in groups, and apart.

    Positions are the profile's, the groups', the other steps', context and request.
    """

    def __init__(self, model: PageModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        entity_BTD: Tensor,
        fields_BTF: Tensor,
        old_entity_BGMD: Tensor,
        old_fields_BGMF: Tensor,
    ) -> tuple[Tensor, ...]:
        tokens_BTD = self.model.embed_steps(entity_BTD, fields_BTF)
        merged_BGD = self.model.embed_old(old_entity_BGMD, old_fields_BGMF)
        hidden_BUD, keys_LBHUK, values_LBHUK = self.model.decoder.prefill(
            behind_profile(tokens_BTD, merged_BGD)
        )
        hidden_BD = self.model.head(hidden_BUD[:, -1])
        return hidden_BD, keys_LBHUK, values_LBHUK, tokens_BTD[:, -1]


class DecodeGraph(nn.Module):
    """New tokens and the cache in; hidden states, keys and values of the new tokens out."""

    def __init__(self, model: PageModel) -> None:
        super().__init__()
        self.decoder, self.head = model.decoder, model.head

    def forward(
        self, tokens_BSD: Tensor, past_keys_LBHPK: Tensor, past_values_LBHPK: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        hidden_BSD, keys_LBHSK, values_LBHSK = self.decoder.decode(
            tokens_BSD, past_keys_LBHPK, past_values_LBHPK
        )
        return self.head(hidden_BSD), keys_LBHSK, values_LBHSK


def graph_specs(model: PageModel) -> tuple[GraphSpec, GraphSpec, GraphSpec]:
    """Tower, prefill and decode; the model must be in evaluation mode."""
    past = {1: "B", 3: "P"}
    prompt = {name: {0: "B", 1: "T"} for name in ("entity_BTD", "fields_BTF")}
    if model.config.compress_keep:
        prompt |= {name: {0: "B", 1: "G"} for name in ("old_entity_BGMD", "old_fields_BGMF")}
    return (
        GraphSpec(
            name="entity_tower",
            module=TowerGraph(model),
            inputs={name: {0: "E"} for name in FEATURES},
            outputs=("input_ED", "output_ED"),
        ),
        GraphSpec(
            name="prefill",
            module=CompressedPrefillGraph(model)
            if model.config.compress_keep
            else PrefillGraph(model),
            inputs=prompt,
            outputs=("hidden_BD", "keys_LBHTK", "values_LBHTK", "request_BD"),
        ),
        GraphSpec(
            name="decode",
            module=DecodeGraph(model),
            inputs={
                "tokens_BSD": {0: "B", 1: "S"},
                "past_keys_LBHPK": past,
                "past_values_LBHPK": past,
            },
            outputs=("hidden_BSD", "keys_LBHSK", "values_LBHSK"),
        ),
    )


def export(spec: GraphSpec, example: Sequence[Tensor]) -> bytes:
    """One self-contained ONNX file; the same module gives the same bytes on every machine."""
    with _quiet():
        program = torch.onnx.export(
            spec.module.eval(),
            tuple(example),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(spec.inputs),
            output_names=list(spec.outputs),
            dynamic_shapes=_dynamic_shapes(spec),
            verbose=False,
        )
    if program is None:
        raise RuntimeError(f"torch exported no program for {spec.name}")
    proto: onnx.ModelProto = program.model_proto
    _strip(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def _dynamic_shapes(spec: GraphSpec) -> tuple[object, ...]:
    axes = tuple(dict(axes) for axes in spec.inputs.values())
    return (axes,) if isinstance(spec.module, TowerGraph) else axes


def _strip(proto: onnx.ModelProto) -> None:
    """Takes out stack traces: they name files of the machine that exported."""
    del proto.metadata_props[:]
    for graph in (proto.graph, *proto.functions):
        del graph.metadata_props[:]
        for part in (*graph.node, *graph.value_info):
            del part.metadata_props[:]
            part.doc_string = ""
    for part in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides what torch's exporter says about itself and nobody can act on."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # "torchvision is not installed", four times an export
    try:
        with warnings.catch_warnings():
            # torch's own deprecated call while it copies a pytree, and axis names it shares.
            warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
            warnings.filterwarnings("ignore", message=".*The axis name.*will not be used.*")
            yield
    finally:
        logger.setLevel(level)
