"""A bundle: a model as the trainer published it, loaded only if it is exactly that.

Steps 7 and 9 of the life of a model meet here.

Letters in names: R rows of the vocabulary after the fallback, D width.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from pagecast.engine.batching.slot_decoder import SlotDecoder
from pagecast.engine.bundles.checks import check_canary, check_graphs, check_indices, check_rows
from pagecast.engine.bundles.files import open_bundle
from pagecast.engine.bundles.manifest import (
    CANARY_FILE,
    CHECKPOINT_FILE,
    EMBEDDINGS_FILE,
    HEADS_FILE,
    PROMPT_FILE,
    SERVING_FILE,
    STABILISATION_FILE,
    TOWER_FILE,
    VOCABULARY_FILE,
    Manifest,
)
from pagecast.engine.bundles.ready_embeddings import OnlyOnce, ready_of
from pagecast.engine.bundles.tensor_file import TensorFile
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import NO_TABLES, Array, EngineConfig, FloatArray, Graph
from pagecast.engine.parts import Parts
from pagecast.engine.providers import Provider
from pagecast.engine.semantic.spelling import SPELLING_PREFIX, Spelling
from pagecast.engine.vectors.stabilisation import Stabilisation, stabilisation_of
from pagecast.featurestore.prompt.context import ContextConfig
from pagecast.featurestore.prompt.vocabulary import Vocabulary

DEFAULT_CONFIG = EngineConfig()

ROW_TABLES = ("row_input_RD", "row_output_RD")

TOWER_TABLES_PREFIX = f"{TOWER_FILE}/"
"""Prefix of the tower's tables in SERVING_FILE; its graph says which it has there."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """A model's graphs, vocabulary and row embeddings; a `Model` binds it to a catalog.

    Embeddings are published through `stabilisation`; pages are made without it. A bundle equals
    only itself: two loaded from the same files differ.
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
    """The graph that runs of many tokens use instead (`slot_decoder.MANY_TOKENS_MIN`)."""
    spelling: Spelling | None = None
    """Only for a model of semantic IDs."""
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
        """A decoder with `slots` empty slots; `gives_states` if heads are to be read."""
        return SlotDecoder(
            self.decode,
            self.manifest.model,
            slots,
            many=self.decode_many,
            gives_states=gives_states,
        )


def load_bundle(
    path: Path,
    config: EngineConfig = DEFAULT_CONFIG,
    parts: Parts | None = None,
    reader: Executor | None = None,
) -> Bundle:
    """Loads the bundle in the directory `path`; `parts` is told how long each part took, `reader`
    reads and compares its files.

    Raises BundleError with the file and the reason if anything in it is missing, truncated,
    altered, of another bundle or format, does not fit its vocabulary, or computes other outputs
    than where it was made; 8-bit weights may be off by INT8_ERROR_MAX. A file that is not used
    (`_used`) must be there with its size, and is not read.
    """
    parts = parts or Parts()
    read = partial(_read, path, config, parts)
    manifest, files = read() if reader is None else reader.submit(read).result()
    with parts.part("parse"):
        vocabulary = _vocabulary(files[VOCABULARY_FILE])
        weights_file = _weights_file(files)
        weights = _tensors(weights_file, files[weights_file])
        rows = _row_tables(weights_file, weights)
        spelling = None
        if manifest.model.semantic:
            known = len(vocabulary.entities)
            spelling = Spelling.of(weights_file, weights, manifest.model, known)
        canary = _tensors(CANARY_FILE, files[CANARY_FILE])
        ready = ready_of(files, manifest.model)
    graphs = _graphs(files, config, _tower_tables(weights), parts)
    with parts.part("check"):
        check_graphs(graphs, manifest.model, vocabulary)
        check_rows(weights_file, rows, manifest.model, vocabulary)
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


def _read(path: Path, config: EngineConfig, parts: Parts) -> tuple[Manifest, dict[str, bytes]]:
    files: dict[str, bytes] = {}
    with parts.part("read"):
        manifest, stored = open_bundle(path)
    for name in _used(stored, config):
        with parts.part("read"):
            files[name] = stored[name]
    return manifest, files


def _used(stored: Collection[str], config: EngineConfig) -> list[str]:
    """Names of the files that a server needs: no other form of the decode graph, and no checkpoint
    if what is needed of it has a file of its own."""
    needed = {
        VOCABULARY_FILE, TOWER_FILE, PROMPT_FILE, CANARY_FILE,
        config.decode_weights.file, config.decode_weights.many_file,
        _weights_file(stored), STABILISATION_FILE, HEADS_FILE, EMBEDDINGS_FILE,
    }  # fmt: skip
    return [name for name in stored if name in needed]


def _weights_file(stored: Collection[str]) -> str:
    """The file with rows' embeddings and what spells entities: bundles older than SERVING_FILE have
    them only in the checkpoint."""
    return SERVING_FILE if SERVING_FILE in stored else CHECKPOINT_FILE


def serving_tensors(checkpoint: Mapping[str, Array]) -> dict[str, Array]:
    """What a server needs of a checkpoint besides its graphs: SERVING_FILE holds it, with the
    tower's tables."""
    return {
        name: tensor
        for name, tensor in checkpoint.items()
        if name in ROW_TABLES or name.startswith(SPELLING_PREFIX)
    }


def _tower_tables(weights: Mapping[str, Array]) -> dict[str, Array]:
    """The tables the tower looks up, as views; none if they are in its graph."""
    own = [name for name in weights if name.startswith(TOWER_TABLES_PREFIX)]
    return {name.removeprefix(TOWER_TABLES_PREFIX): weights[name] for name in own}


def _graphs(
    files: Mapping[str, bytes],
    config: EngineConfig,
    tower_tables: Mapping[str, Array],
    parts: Parts,
) -> dict[str, Graph]:
    """Makes each graph as a part of its own: no other Python runs while onnxruntime makes one."""
    used = {"tower": TOWER_FILE, "prompt": PROMPT_FILE, "decode": config.decode_weights.file}
    if HEADS_FILE in files:
        used["heads"] = HEADS_FILE
    many_file = config.decode_weights.many_file
    # A GPU has no such products: the graph would go back and forth between it and the CPU.
    if many_file is not None and many_file in files and config.provider is Provider.CPU:
        used["decode_many"] = many_file
    graphs: dict[str, Graph] = {}
    for name, file in used.items():
        tables = tower_tables if name == "tower" else NO_TABLES
        with parts.part("graphs"):
            graphs[name] = Graph(file, files[file], config, tables)
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


def _row_tables(file: str, weights: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    try:
        return {name: weights[name].copy() for name in ROW_TABLES}
    except KeyError as error:
        raise BundleError(f"{file}: no tensor {error}") from error
