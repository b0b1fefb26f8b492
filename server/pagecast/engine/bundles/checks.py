"""Whether the parts of a bundle belong together and compute what they did where they were made.

Letters in names: E entities, G genres and the fallback, A age features, O countries of origin and
P people of an entity, C dimensions and N names of content embeddings, B batch, T prompt positions,
F fields, H key/value heads, K head width, S new positions, C positions a cache has room for, R rows
and the fallback, D width.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pagecast.engine.batching.kv_slots import cache_names
from pagecast.engine.batching.prompt_inputs import prompt_inputs
from pagecast.engine.bundles.manifest import (
    CANARY_FILE,
    VOCABULARY_FILE,
    DecodeWeights,
    ModelShape,
)
from pagecast.engine.errors import BundleError, EngineError
from pagecast.engine.graph import Array, FloatArray, Graph
from pagecast.featurestore.prompt.compression import STEPS_OF_A_GROUP
from pagecast.featurestore.prompt.vocabulary import (
    FIELDS,
    MATURITY_BUCKETS,
    ORIGINS_OF_ENTITY_MAX,
    PEOPLE_OF_ENTITY_MAX,
    YEARS,
    Vocabulary,
)
from pagecast.v1 import catalog_pb2

CANARY_TOLERANCE = 1e-3
"""Largest difference, absolute and relative, from the outputs recorded in the bundle. Kernels of
other processors differ by 1e-5; a flipped bit that matters differs by more than this."""

INT8_ERROR_MAX = 0.1
"""Largest error of 8-bit weights that are served: the length of the difference divided by that of
the recorded output. Random weights at d 256 are off by 0.01; a model beyond this is unfit for 8
bits. How good its pages are is measured (`trainer.benchmarks.decoding`), not concluded from this.
"""

Shape = Sequence[int | str | None]


def check_graphs(graphs: Mapping[str, Graph], model: ModelShape, vocabulary: Vocabulary) -> None:
    """Raises BundleError unless the inputs and outputs of each graph are the contract's."""
    for name, (inputs, outputs) in _contract(graphs, model, vocabulary).items():
        graph = graphs[name]
        for kind, found, expected in (
            ("inputs", graph.inputs, inputs),
            ("outputs", graph.outputs, outputs),
        ):
            if found.keys() != expected.keys():
                raise BundleError(
                    f"{graph.name}: {kind} are {sorted(found)}, not {sorted(expected)}"
                )
            for tensor, shape in expected.items():
                _check_shape(f"{graph.name}: {tensor}", found[tensor], shape)


def check_rows(
    file: str, tables: Mapping[str, FloatArray], model: ModelShape, vocabulary: Vocabulary
) -> None:
    """Raises BundleError unless there is one finite embedding per row and for the fallback."""
    widths = {"row_input_RD": model.d_model, "row_output_RD": model.output_dim}
    for name, table_RD in tables.items():
        where = f"{file}: {name}"
        _check_shape(where, table_RD.shape, (len(vocabulary.rows) + 1, widths[name]))
        if table_RD.dtype != np.float32 or not np.isfinite(table_RD).all():
            raise BundleError(f"{where} must be finite float32")


def check_indices(graphs: Mapping[str, Graph], model: ModelShape, vocabulary: Vocabulary) -> None:
    """Raises BundleError if a graph's tables are smaller than the vocabulary.

    The highest index of each is looked up once: beyond a table onnxruntime refuses it.
    """
    highest = {
        "id_E": len(vocabulary.entities),
        "kind_E": max(catalog_pb2.EntityKind.values()),
        "year_E": YEARS - 1,
        "language_E": len(vocabulary.languages),
        "maturity_E": MATURITY_BUCKETS - 2,
    }
    features: dict[str, Array] = {name: np.array([value]) for name, value in highest.items()}
    features["genres_EG"] = np.ones((1, len(vocabulary.genres) + 1), np.float32)
    features["age_EA"] = np.ones((1, 2), np.float32)
    features["origins_EO"] = np.full((1, ORIGINS_OF_ENTITY_MAX), len(vocabulary.origins))
    features["people_EP"] = np.full((1, PEOPLE_OF_ENTITY_MAX), len(vocabulary.people))
    features["content_EC"] = np.ones((1, vocabulary.content_dimensions), np.float32)
    features["has_content_EN"] = np.ones((1, len(vocabulary.embeddings)), np.float32)
    fields_BTF = np.array([[vocabulary.field_sizes()]], np.int64) - 1
    entity_BTD = np.zeros((1, 1, model.d_model), np.float32)
    try:
        graphs["tower"].run(features)
        graphs["prompt"].run(
            prompt_inputs(entity_BTD[0], fields_BTF[0], compresses=model.compresses, compressed=0)
        )
    except EngineError as error:
        raise BundleError(f"{VOCABULARY_FILE}: of another model: {error}") from error


def check_canary(
    canary: Mapping[str, Array],
    graphs: Mapping[str, Graph],
    model: ModelShape,
    vocabulary: Vocabulary,
    decode_weights: DecodeWeights = DecodeWeights.FP32,
) -> None:
    """Raises BundleError unless each graph gives the outputs recorded for the recorded inputs.

    Outputs of the decode graph were recorded with exact weights, whichever form is loaded.
    """
    for name, (inputs, outputs) in _contract(graphs, model, vocabulary).items():
        try:
            of = name.removesuffix("_many")
            recorded = {tensor: canary[f"{of}.{tensor}"] for tensor in (*inputs, *outputs)}
            found = graphs[name].run({tensor: recorded[tensor] for tensor in inputs})
        except KeyError as error:
            raise BundleError(f"{CANARY_FILE}: no tensor {error}") from error
        except EngineError as error:
            raise BundleError(f"{CANARY_FILE}: refused by {error}") from error
        for tensor, shape in outputs.items():
            where = f"{CANARY_FILE}: {name}.{tensor}"
            _check_shape(where, found[tensor].shape, shape)
            _check_shape(where, recorded[tensor].shape, found[tensor].shape)
            if of == "decode" and decode_weights is DecodeWeights.INT8:
                _check_rounded(where, found[tensor], recorded[tensor])
            elif not np.allclose(
                found[tensor], recorded[tensor], rtol=CANARY_TOLERANCE, atol=CANARY_TOLERANCE
            ):
                raise BundleError(f"{where} comes out otherwise here than where it was made")


def relative_error(found: FloatArray, expected: FloatArray) -> float:
    """Length of the difference divided by that of `expected`; infinite if it is not a number."""
    error = float(np.linalg.norm(found - expected) / max(float(np.linalg.norm(expected)), 1e-12))
    return error if np.isfinite(error) else float("inf")


def _check_rounded(where: str, found: FloatArray, recorded: Array) -> None:
    error = relative_error(found, recorded.astype(np.float32))
    if not error <= INT8_ERROR_MAX:
        raise BundleError(
            f"{where} is off by {error:.3f} with 8-bit weights, more than {INT8_ERROR_MAX}: "
            "serve this model with decode_weights fp32"
        )


def _check_shape(where: str, found: Shape, expected: Shape) -> None:
    fits = len(found) == len(expected) and all(
        a == b
        for a, b in zip(found, expected, strict=True)
        if isinstance(a, int) and isinstance(b, int)
    )
    if not fits:
        raise BundleError(f"{where} has shape {list(found)}, expected {list(expected)}")


def _contract(
    graphs: Mapping[str, Graph], model: ModelShape, vocabulary: Vocabulary
) -> dict[str, tuple[dict[str, Shape], dict[str, Shape]]]:
    """Inputs and outputs of each graph with their shapes; letters stand for what may vary.

    If there are heads, the decode graph also returns what they take.
    """
    d, o = model.d_model, model.output_dim
    cache = ("B", model.kv_heads, "C", model.head_dim)
    caches: dict[str, Shape] = dict.fromkeys(cache_names(model.layers), cache)
    indices = ("id_E", "kind_E", "year_E", "language_E", "maturity_E")
    features: dict[str, Shape] = dict.fromkeys(indices, ("E",))
    features |= {
        "genres_EG": ("E", len(vocabulary.genres) + 1),
        "age_EA": ("E", 2),
        "origins_EO": ("E", ORIGINS_OF_ENTITY_MAX),
        "people_EP": ("E", PEOPLE_OF_ENTITY_MAX),
        "content_EC": ("E", vocabulary.content_dimensions),
        "has_content_EN": ("E", len(vocabulary.embeddings)),
    }
    embedded: dict[str, Shape] = {"input_ED": ("E", d), "output_ED": ("E", o)}
    if model.semantic:
        embedded = {"fused_ES": ("E", d + o)}
    prompt: dict[str, Shape] = {
        "entity_BTD": ("B", "T", d),
        "fields_BTF": ("B", "T", len(FIELDS)),
    }
    if model.compresses:
        prompt |= {
            "old_entity_BGMD": ("B", "G", STEPS_OF_A_GROUP, d),
            "old_fields_BGMF": ("B", "G", STEPS_OF_A_GROUP, len(FIELDS)),
        }
    states: dict[str, Shape] = {"state_BSD": ("B", "S", d)} if "heads" in graphs else {}
    contract: dict[str, tuple[dict[str, Shape], dict[str, Shape]]] = {
        "tower": (features, embedded),
        "prompt": (prompt, {"tokens_BTD": ("B", "T", d)}),
        "decode": (
            {"tokens_BSD": ("B", "S", d), "last_B": ("B",), "total": (), **caches},
            {
                "hidden_BSD": ("B", "S", o),
                **states,
                **{f"new_{name}": shape for name, shape in caches.items()},
            },
        ),
    }
    if "decode_many" in graphs:
        contract["decode_many"] = contract["decode"]
    if states:
        contract["heads"] = (
            {"state_BD": ("B", d)},
            {
                "genre_BG": ("B", len(vocabulary.genres) + 1),
                "language_BW": ("B", len(vocabulary.languages) + 1),
            },
        )
    return contract
