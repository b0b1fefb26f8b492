"""A bundle: a model as the trainer published it, loaded only if it is exactly that.

Steps 7 and 9 of the life of a model meet here.

Letters in names: R rows of the vocabulary after the fallback, D width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from pagecast.engine.bundle_checks import check_canary, check_graphs, check_indices, check_rows
from pagecast.engine.bundle_files import read_bundle_files
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import EngineConfig, FloatArray, Graph
from pagecast.engine.manifest import (
    CANARY_FILE,
    CHECKPOINT_FILE,
    HEADS_FILE,
    PROMPT_FILE,
    TOWER_FILE,
    VOCABULARY_FILE,
    Manifest,
)
from pagecast.engine.parts import Parts
from pagecast.engine.providers import Provider
from pagecast.engine.ready_embeddings import OnlyOnce, ready_of
from pagecast.engine.slot_decoder import SlotDecoder
from pagecast.engine.spelling import Spelling
from pagecast.engine.stabilisation import Stabilisation, stabilisation_of
from pagecast.engine.tensor_file import TensorFile
from pagecast.featurestore.context import ContextConfig
from pagecast.featurestore.vocabulary import Vocabulary

DEFAULT_CONFIG = EngineConfig()

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """A model's graphs, vocabulary and row embeddings; a `Model` binds it to a catalog.

    Embeddings are published through `stabilisation`, and pages are made without it. Each is itself
    alone: two loaded from the same files are two.
    """

    manifest: Manifest
    vocabulary: Vocabulary
    tower: Graph
    prompt: Graph
    decode: Graph
    row_input_RD: FloatArray
    row_output_RD: FloatArray
    stabilisation: Stabilisation
    heads: Graph | None = None
    decode_many: Graph | None = None
    """What runs of many tokens take instead of `decode` (`slot_decoder.MANY_TOKENS_MIN`)."""
    spelling: Spelling | None = None
    """Of a model of semantic IDs."""
    ready: OnlyOnce = field(default_factory=lambda: OnlyOnce(None))
    """Embeddings for the first binding to a catalog."""

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def steps_max(self) -> int:
        """Steps of a prompt: what the model was trained on."""
        return self.manifest.model.steps_max

    @property
    def context(self) -> ContextConfig:
        """What stands between history and request: what the model was trained on."""
        return self.vocabulary.context

    def decoder(self, slots: int, *, gives_states: bool = False) -> SlotDecoder:
        """So many empty slots of this model; `gives_states` if heads are to be read."""
        return SlotDecoder(
            self.decode,
            self.manifest.model,
            slots,
            many=self.decode_many,
            gives_states=gives_states,
        )


def load_bundle(
    path: Path, config: EngineConfig = DEFAULT_CONFIG, parts: Parts | None = None
) -> Bundle:
    """Loads the bundle in the directory `path`; `parts` is told how long what took.

    Raises BundleError with the file and the reason if anything in it is missing, truncated,
    altered, of another bundle or format, does not fit its vocabulary, or computes other outputs
    than where it was made; 8-bit weights may be off by INT8_ERROR_MAX.
    """
    parts = parts or Parts()
    with parts.part("read"):
        manifest, files = read_bundle_files(path)
    with parts.part("parse"):
        vocabulary = _vocabulary(files[VOCABULARY_FILE])
        checkpoint = _tensors(CHECKPOINT_FILE, files[CHECKPOINT_FILE])
        rows = _row_tables(checkpoint)
        spelling = None
        if manifest.model.semantic:
            spelling = Spelling.of(checkpoint, manifest.model, len(vocabulary.entities))
        canary = _tensors(CANARY_FILE, files[CANARY_FILE])
        ready = ready_of(files, manifest.model)
    with parts.part("graphs"):
        graphs = _graphs(files, config)
    with parts.part("check"):
        check_graphs(graphs, manifest.model, vocabulary)
        check_rows(rows, manifest.model, vocabulary)
        check_indices(graphs, manifest.model, vocabulary)
        check_canary(canary, graphs, manifest.model, vocabulary, config.decode_weights)
    _log.info(
        "bundle_loaded",
        version=manifest.version,
        decode_weights=config.decode_weights.value,
        took_ms=round(sum(parts.wall_s.values()) * 1000),
    )
    return Bundle(
        manifest=manifest,
        vocabulary=vocabulary,
        tower=graphs["tower"],
        prompt=graphs["prompt"],
        decode=graphs["decode"],
        row_input_RD=rows["row_input_RD"],
        row_output_RD=rows["row_output_RD"],
        stabilisation=stabilisation_of(files, manifest.model),
        heads=graphs.get("heads"),
        decode_many=graphs.get("decode_many"),
        spelling=spelling,
        ready=ready,
    )


def _graphs(files: Mapping[str, bytes], config: EngineConfig) -> dict[str, Graph]:
    decode_file = config.decode_weights.file
    graphs = {
        "tower": Graph(TOWER_FILE, files[TOWER_FILE], config),
        "prompt": Graph(PROMPT_FILE, files[PROMPT_FILE], config),
        "decode": Graph(decode_file, files[decode_file], config),
    }
    if HEADS_FILE in files:
        graphs["heads"] = Graph(HEADS_FILE, files[HEADS_FILE], config)
    many_file = config.decode_weights.many_file
    # A GPU has no such products: its graph would go to and fro between it and the CPU.
    if many_file is not None and many_file in files and config.provider is Provider.CPU:
        graphs["decode_many"] = Graph(many_file, files[many_file], config)
    return graphs


def _vocabulary(data: bytes) -> Vocabulary:
    try:
        return Vocabulary.from_json(data.decode())
    except (ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"{VOCABULARY_FILE}: not a vocabulary: {error}") from error


def _tensors(name: str, data: bytes) -> Mapping[str, Any]:
    try:
        return TensorFile(data)
    except ValueError as error:
        raise BundleError(f"{name}: not safetensors: {error}") from error


def _row_tables(checkpoint: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    try:
        return {name: checkpoint[name].copy() for name in ("row_input_RD", "row_output_RD")}
    except KeyError as error:
        raise BundleError(f"{CHECKPOINT_FILE}: no tensor {error}") from error
