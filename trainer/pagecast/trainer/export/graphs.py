"""The ONNX graphs of a bundle, and their comparison with torch.

Letters, as in the graphs' names: B batch, T prompt positions, D width, F fields, G groups of old
steps, M steps of a group, U positions after compression, E entities. The tower's inputs have the
letters of `tower`, the decoder's those of `slot_decoder`. Hidden states come out of decode as the
output head leaves them (`heads`): they and `output_ED` are `ModelConfig.output_width` wide.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import Parameter, signature

import onnx
import torch
from torch import Tensor, nn

from pagecast.engine.batching.kv_slots import cache_names
from pagecast.engine.bundles.manifest import DECODE_FILE, HEADS_FILE, PROMPT_FILE, TOWER_FILE
from pagecast.trainer.export.slot_decoder import SlotDecoder
from pagecast.trainer.network.merger import behind_profile
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.network.prediction_heads import HeadsGraph
from pagecast.trainer.network.tower import FEATURES

GRAPH_FILES = {
    "entity_tower": TOWER_FILE,
    "prompt": PROMPT_FILE,
    "decode": DECODE_FILE,
    "heads": HEADS_FILE,
}
"""Names in a bundle, by those of the specs."""

OPSET = 20
"""Of the plain operators; the decoder also has two of onnxruntime's own (`slot_decoder`)."""


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


class NamingGraph(TowerGraph):
    """Of a model of semantic IDs: features in, `fused_ES` out, from which an ID follows."""

    def forward(self, *features: Tensor) -> Tensor:  # type: ignore[override]
        fused_ES: Tensor = self.tower.fused(dict(zip(FEATURES, features, strict=True)))
        return fused_ES


class PromptGraph(nn.Module):
    """A prompt's positions in; the tokens that the decoder is fed out."""

    def __init__(self, model: PageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, entity_BTD: Tensor, fields_BTF: Tensor) -> Tensor:
        return self.model.embed_steps(entity_BTD, fields_BTF)


class CompressedPromptGraph(nn.Module):
    """The same for a model that compresses: old steps come in groups, and apart.

    Tokens are the profile's, the groups', the other steps', context and request. Without groups
    they may begin anywhere in the prompt.
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
    ) -> Tensor:
        tokens_BTD = self.model.embed_steps(entity_BTD, fields_BTF)
        merged_BGD = self.model.embed_old(old_entity_BGMD, old_fields_BGMF)
        return behind_profile(tokens_BTD, merged_BGD)


def graph_specs(model: PageModel, *, heads: bool = False) -> tuple[GraphSpec, ...]:
    """Tower, prompt and decode, and the heads if they are exported; the model must be in
    evaluation mode."""
    caches = cache_names(model.config.layers)
    compresses, semantic = bool(model.config.compress_keep), model.config.semantic
    prompt = {name: {0: "B", 1: "T"} for name in ("entity_BTD", "fields_BTF")}
    if compresses:
        prompt |= {name: {0: "B", 1: "G"} for name in ("old_entity_BGMD", "old_fields_BGMF")}
    specs = (
        GraphSpec(
            name="entity_tower",
            module=NamingGraph(model) if semantic else TowerGraph(model),
            inputs={name: {0: "E"} for name in FEATURES},
            outputs=("fused_ES",) if semantic else ("input_ED", "output_ED"),
        ),
        GraphSpec(
            name="prompt",
            module=CompressedPromptGraph(model) if compresses else PromptGraph(model),
            inputs=prompt,
            outputs=("tokens_BTD",),
        ),
        GraphSpec(
            name="decode",
            module=SlotDecoder(model, gives_states=heads),
            inputs={
                "tokens_BSD": {0: "B", 1: "S"},
                "last_B": {0: "B"},
                "total": {},
                **{name: {0: "B", 2: "C"} for name in caches},
            },
            outputs=(
                "hidden_BSD",
                *(("state_BSD",) if heads else ()),
                *(f"new_{name}" for name in caches),
            ),
        ),
    )
    return (*specs, _heads_spec(model)) if heads else specs


def _heads_spec(model: PageModel) -> GraphSpec:
    return GraphSpec(
        name="heads",
        module=HeadsGraph(model),
        inputs={"state_BD": {0: "B"}},
        outputs=("genre_BG", "language_BW"),
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
    """As the arguments of `forward`: what it takes with a star is one tuple."""
    axes = tuple(dict(axes) for axes in spec.inputs.values())
    parameters = signature(spec.module.forward).parameters.values()
    plain = sum(parameter.kind is not Parameter.VAR_POSITIONAL for parameter in parameters)
    return axes if plain == len(parameters) else (*axes[:plain], axes[plain:])


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
