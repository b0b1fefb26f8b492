"""A model becomes a bundle directory: files, manifest, one atomic rename."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue, TypeAdapter
from safetensors.numpy import save
from safetensors.torch import load as load_tensors

from pagecast.engine.bundles.bundle import TOWER_TABLES_PREFIX, serving_tensors
from pagecast.engine.bundles.files import open_bundle
from pagecast.engine.bundles.manifest import (
    CANARY_FILE,
    CHECKPOINT_FILE,
    DECODE_INT8_FILE,
    DECODE_INT8_MANY_FILE,
    EMBEDDINGS_FILE,
    MANIFEST_FILE,
    SERVING_FILE,
    STABILISATION_FILE,
    TOWER_FILE,
    VOCABULARY_FILE,
    FileDigest,
    Manifest,
    ModelShape,
    bundle_version,
)
from pagecast.engine.graph import EngineConfig, Graph
from pagecast.engine.vectors.embeddings import make_ready
from pagecast.engine.vectors.stabilisation import Stabilisation
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import STEPS_MAX
from pagecast.featurestore.models.bundle_room import UNFINISHED
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.config import HEAD_DIM, ModelConfig
from pagecast.trainer.export.graphs import GRAPH_FILES, OPSET, GraphSpec, export, graph_specs
from pagecast.trainer.export.int8 import int8_form
from pagecast.trainer.export.int8_many import int8_many_form
from pagecast.trainer.export.parity import (
    EXAMPLE,
    RandomInputs,
    compare,
    rounding_error,
    run_torch,
    shapes_of,
)
from pagecast.trainer.export.refilling import Former
from pagecast.trainer.export.slot_decoder import positions_max
from pagecast.trainer.export.tables_apart import tables_apart
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.network.prediction_heads import trained_heads

CANARY_SEED = 20


class ExportError(ValueError):
    """This model cannot become a bundle; the message names the option and the remedy."""


@dataclass(frozen=True, kw_only=True)
class BundleFacts:
    """What the manifest tells of a model beside its files.

    Without a `stabilisation` embeddings are published as they are.
    """

    data: Mapping[str, JsonValue]
    metrics: Mapping[str, float]
    config: Mapping[str, JsonValue]
    parent_version: str = ""
    stabilisation: Stabilisation | None = None


def write_bundle(
    bundles: Path,
    model: PageModel,
    vocabulary: Vocabulary,
    facts: BundleFacts,
    catalog: CatalogSnapshot | None = None,
    former: Former | None = None,
) -> Manifest:
    """Exports, compares and publishes `bundles/<version>`; returns its manifest.

    With a `catalog` the bundle brings the embeddings of its entities, so that servers take it up
    without embedding them. Graphs that differ from those of a `former` model only in weights are
    made from them, not exported. The directory appears whole or not at all, whatever interrupts. A
    bundle of the same contents is left as it is. Heads are exported if `facts.config` says that
    they were trained. Raises ParityError if a graph differs from the model, ExportError for a model
    that serves no pages.
    """
    if not model.config.merge_prompt:
        raise ExportError(
            "model.merge_prompt: a model that spells its prompt out is for measuring and cannot be "
            "exported: train with merge_prompt true"
        )
    heads = trained_heads(facts.config)
    files, differences = _contents(model.eval(), vocabulary, former, heads=bool(heads))
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    files[CHECKPOINT_FILE] = save(weights)
    if facts.stabilisation is not None:
        files[STABILISATION_FILE] = facts.stabilisation.to_bytes()
    if catalog is not None and catalog.entities and not model.config.semantic:
        tower = Graph(TOWER_FILE, files[TOWER_FILE], EngineConfig())
        files[EMBEDDINGS_FILE] = make_ready(tower, vocabulary, catalog.entities).to_bytes()
    files[TOWER_FILE], files[SERVING_FILE] = tables_apart(
        files[TOWER_FILE], TOWER_TABLES_PREFIX, serving_tensors(weights)
    )
    digests = {name: FileDigest.of(data) for name, data in files.items()}
    manifest = Manifest(
        version=bundle_version(digests),
        parent_version=facts.parent_version,
        created_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        files=digests,
        model=shape_of(model, vocabulary),
        heads=heads,
        opset=OPSET,
        data=dict(facts.data),
        metrics={**facts.metrics, **differences},
        config=dict(facts.config),
    )
    publish(bundles / manifest.version, {**files, MANIFEST_FILE: manifest.seal()})
    return manifest


def shape_of(model: PageModel, vocabulary: Vocabulary) -> ModelShape:
    """The sizes that the engine's buffers follow from."""
    config = model.config
    return ModelShape(
        d_model=config.d_model,
        output_dim=config.output_width,
        layers=config.layers,
        query_heads=config.query_heads,
        kv_heads=config.kv_heads,
        head_dim=HEAD_DIM,
        genres=len(vocabulary.genres),
        steps_max=STEPS_MAX,
        positions_max=positions_max(config),
        compress_keep=config.compress_keep,
        codes=config.codes if config.semantic else 0,
    )


def load_model(bundle: Path) -> tuple[PageModel, Vocabulary, Manifest]:
    """The model of a bundle in evaluation mode, for evaluating or training on.

    Raises BundleError for a bundle with a byte missing or changed since it was published.
    """
    manifest, stored = open_bundle(bundle)
    files = dict(stored)  # all of them: what is trained on is whole
    vocabulary = Vocabulary.from_json(files[VOCABULARY_FILE].decode())
    config = TypeAdapter(ModelConfig).validate_python(manifest.config["model"])
    model = PageModel(config, vocabulary)
    model.load_state_dict(load_tensors(files[CHECKPOINT_FILE]))
    return model.eval(), vocabulary, manifest


def _contents(
    model: PageModel, vocabulary: Vocabulary, former: Former | None, *, heads: bool
) -> tuple[dict[str, bytes], dict[str, float]]:
    """Files by name, and how far each graph is from torch."""
    inputs = RandomInputs(model=model, vocabulary=vocabulary)
    refilled = {} if former is None else former.refilled(model, vocabulary, heads=heads)
    files = {VOCABULARY_FILE: vocabulary.to_json().encode()}
    canary: dict[str, npt.NDArray[np.generic]] = {}
    differences = {}
    for spec in graph_specs(model, heads=heads):
        graph = refilled.get(spec.name) or export(spec, inputs.draw(spec.name, EXAMPLE, seed=0))
        differences[f"{spec.name}_difference_max"] = compare(spec, graph, inputs)
        files[GRAPH_FILES[spec.name]] = graph
        canary |= _canary(spec, inputs)
        if spec.name == "decode":
            rounded = {DECODE_INT8_FILE: int8_form(graph)}
            rounded[DECODE_INT8_MANY_FILE] = int8_many_form(graph)
            for name, form in rounded.items():
                error = f"{name.removesuffix('.onnx')}_error"
                differences[error] = rounding_error(spec, form, inputs)
            files |= rounded
    files[CANARY_FILE] = save(canary)
    return files, differences


def _canary(spec: GraphSpec, inputs: RandomInputs) -> dict[str, npt.NDArray[np.generic]]:
    """Inputs and the outputs that loading must reproduce, as `tower.id_E`, `decode.hidden_BSD`."""
    prefix = spec.name.removeprefix("entity_")
    arguments = inputs.draw(spec.name, shapes_of(spec.name)[0], CANARY_SEED)
    fed = {name: value.numpy() for name, value in zip(spec.inputs, arguments, strict=True)}
    outputs = {n: np.ascontiguousarray(v) for n, v in run_torch(spec, arguments).items()}
    return {f"{prefix}.{name}": value for name, value in {**fed, **outputs}.items()}


def publish(target: Path, files: Mapping[str, bytes]) -> None:
    """Makes a directory of files that appears whole or not at all; an existing one stays."""
    if target.exists():
        return
    with _unfinished(target.parent) as folder:
        for name, data in files.items():
            _write_durably(folder / name, data)
        _sync(folder)
        folder.chmod(0o755)
        try:
            folder.rename(target)
        except OSError:
            if not target.exists():  # else another process published the same contents
                raise
        _sync(target.parent)


@contextmanager
def _unfinished(bundles: Path) -> Iterator[Path]:
    """A hidden directory beside the bundles that is gone afterwards, renamed or removed."""
    bundles.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=bundles))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """A rename is durable once its directory is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
