"""Makers of small real bundles: graphs in ONNX's text form with random weights, no torch.

The decoder is what the contract asks for in the fewest operators: attention in the caches it is
given, a ReLU block, a final norm.
"""

import functools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper
import onnx.parser
from factories import START_MS
from rules.factories_rules import entity
from safetensors.numpy import save_file

from pagecast.engine.batching.kv_slots import cache_names
from pagecast.engine.bundles.manifest import (
    BUNDLE_FILES,
    CANARY_FILE,
    CHECKPOINT_FILE,
    DECODE_FILE,
    DECODE_INT8_FILE,
    DECODE_INT8_MANY_FILE,
    HEADS_FILE,
    MANIFEST_FILE,
    PROMPT_FILE,
    TOWER_FILE,
    VOCABULARY_FILE,
    FileDigest,
    Manifest,
    ModelShape,
    PredictionHead,
    bundle_version,
)
from pagecast.engine.graph import EngineConfig, Graph
from pagecast.engine.page_events import EntityChosen, PageEvent, RowBegun, RowEnded
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import Action, Profile, Step
from pagecast.featurestore.prompt.compression import STEPS_OF_A_GROUP
from pagecast.featurestore.prompt.context import ContextConfig
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.featurestore.prompt.vocabulary import (
    FIELDS,
    ORIGINS_OF_ENTITY_MAX,
    PEOPLE_OF_ENTITY_MAX,
    YEARS,
    Vocabulary,
    entity_features,
)
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.trainer.evaluation.pages.page_checker import PlacedRow
from pagecast.trainer.export.int8 import int8_form
from pagecast.trainer.export.int8_many import int8_many_form

OPSET = 20

BUNDLES_KEPT = 16
"""In memory, by worker: a few tests take models of 20 MB, all others of 100 KB."""

Weights = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True)
class TinyModel:
    """Sizes of a test model and the seed of its weights."""

    d_model: int = 16
    layers: int = 2
    heads: int = 2
    head_dim: int = 16
    positions_max: int = 2304
    compress_keep: int = 0
    mlp: int = 32
    seed: int = 0
    prediction_heads: tuple[PredictionHead, ...] = ()

    def shape(self, vocabulary: Vocabulary) -> ModelShape:
        return ModelShape(
            d_model=self.d_model,
            output_dim=self.d_model,
            layers=self.layers,
            query_heads=self.heads,
            kv_heads=self.heads,
            head_dim=self.head_dim,
            genres=len(vocabulary.genres),
            steps_max=512,
            positions_max=self.positions_max,
            compress_keep=self.compress_keep,
        )


def vocabulary_of(snapshot: CatalogSnapshot) -> Vocabulary:
    """The vocabulary a model trained on the snapshot would have."""
    genres = sorted({genre for entity in snapshot.entities for genre in entity.genres})
    return Vocabulary(
        entities=tuple(entity.entity_id for entity in snapshot.entities),
        entity_interactions=tuple(range(len(snapshot.entities))),
        rows=tuple(row.row_id for row in snapshot.rows),
        genres=tuple(genres),
        languages=("en", "de"),
        origins=("DE", "FR"),
        people=("Ada", "Grace"),
        embeddings=(("image", 3), ("text", 4)),
        countries=("DE",),
        devices=("tv",),
        surfaces=("home",),
        context=ContextConfig(),
    )


def prompt_of(*entity_ids: str, at_ms: int = START_MS) -> Prompt:
    """The prompt of a user who played these, one a minute."""
    began_ms = at_ms - 60_000 * len(entity_ids)
    steps = tuple(
        Step(
            occurred_at_ms=began_ms + 60_000 * i,
            action=Action.PLAY_FEATURE,
            entity_id=entity_id,
            device="tv",
        )
        for i, entity_id in enumerate(entity_ids)
    )
    request = RequestHalf(at_ms=at_ms, device="tv", country="DE", surface="home")
    return Prompt(profile=Profile(), steps=steps, request=request)


def placed_rows(events: Sequence[PageEvent]) -> list[PlacedRow]:
    """The page that events make."""
    page: list[PlacedRow] = []
    for event in events:
        if isinstance(event, RowBegun):
            argument = None if event.argument == NO_ARGUMENT else event.argument
            page.append(PlacedRow(event.row, argument, ()))
        elif isinstance(event, EntityChosen):
            last = page.pop()
            page.append(PlacedRow(last.row, last.argument, (*last.entities, event.entity)))
        elif isinstance(event, RowEnded):
            page.append(replace(page.pop(), ended=event.reason))
    return page


def write_bundle(
    directory: Path,
    vocabulary: Vocabulary,
    model: TinyModel = TinyModel(),
    *,
    broken_kind: int | None = None,
) -> Path:
    """Writes a complete bundle and returns its directory, named after its version.

    Entities of `broken_kind` embed to NaN. The same bundle is made once and then copied.
    """
    version, files = _bundle(vocabulary.to_json(), model, broken_kind)
    bundle = directory / version
    bundle.mkdir(parents=True)
    for name, content in files.items():
        (bundle / name).write_bytes(content)
    return bundle


@functools.lru_cache(maxsize=BUNDLES_KEPT)
def _bundle(
    vocabulary_json: str, model: TinyModel, broken_kind: int | None
) -> tuple[str, dict[str, bytes]]:
    """Version and files. Making graphs and their 8-bit form costs 150 ms of CPU."""
    vocabulary = Vocabulary.from_json(vocabulary_json)
    rng = np.random.default_rng(model.seed)
    graphs = build_graphs(model, vocabulary, rng, broken_kind)
    graphs[DECODE_INT8_FILE] = int8_form(graphs[DECODE_FILE])
    rows = (len(vocabulary.rows) + 1, model.d_model)
    tables = {name: _random(rng, *rows) for name in ("row_input_RD", "row_output_RD")}
    with tempfile.TemporaryDirectory() as folder:
        parts = Path(folder) / "parts"
        parts.mkdir()
        for name, graph in graphs.items():
            (parts / name).write_bytes(graph)
        (parts / VOCABULARY_FILE).write_text(vocabulary.to_json())
        save_file(tables, parts / CHECKPOINT_FILE)
        save_file(_canary(graphs, model, vocabulary, rng), parts / CANARY_FILE)
        bundle = seal_bundle(parts, model.shape(vocabulary), model.prediction_heads)
        return bundle.name, {file.name: file.read_bytes() for file in bundle.iterdir()}


def sealed_with(bundle: Path, *more: str) -> Path:
    """A bundle with files added to what its manifest names; moves it to its new version."""
    manifest = Manifest.unseal((bundle / MANIFEST_FILE).read_bytes())
    return seal_bundle(bundle, manifest.model, names=(*BUNDLE_FILES, *more))


def with_many_form(bundle: Path) -> Path:
    """A bundle with the form for runs of many tokens; moves it to its new version."""
    form = int8_many_form((bundle / DECODE_FILE).read_bytes())
    (bundle / DECODE_INT8_MANY_FILE).write_bytes(form)
    return sealed_with(bundle, DECODE_INT8_MANY_FILE)


def seal_bundle(
    parts: Path,
    shape: ModelShape,
    prediction_heads: tuple[PredictionHead, ...] = (),
    names: Sequence[str] = BUNDLE_FILES,
) -> Path:
    """Writes the manifest of a directory's files and renames it to their version."""
    names = (*names, HEADS_FILE) if prediction_heads else names
    files = {name: FileDigest.of((parts / name).read_bytes()) for name in names}
    manifest = Manifest(
        version=bundle_version(files),
        created_at="2026-01-05T12:00:00Z",
        files=files,
        model=shape,
        heads=prediction_heads,
        opset=OPSET,
    )
    (parts / MANIFEST_FILE).write_bytes(manifest.seal())
    return parts.rename(parts.parent / manifest.version)


def build_graphs(
    model: TinyModel,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    broken_kind: int | None = None,
) -> dict[str, bytes]:
    d, cache = model.d_model, f"float[B,{model.heads},C,{model.head_dim}]"
    caches = cache_names(model.layers)
    states = f"float[B,S,{d}] state_BSD, " if model.prediction_heads else ""
    graphs = {
        TOWER_FILE: _tower(model, vocabulary, rng, broken_kind),
        PROMPT_FILE: _prompt(model, vocabulary, rng),
        DECODE_FILE: _graph(
            f"float[B,S,{d}] tokens_BSD, int32[B] last_B, int32 total, "
            + ", ".join(f"{cache} {name}" for name in caches),
            f"float[B,S,{d}] hidden_BSD, "
            + states
            + ", ".join(f"{cache} new_{name}" for name in caches),
            _decoder(model),
            _decoder_weights(model, rng),
        ),
    }
    if model.prediction_heads:
        graphs[HEADS_FILE] = _heads(model, vocabulary, rng.spawn(1)[0])
    return graphs


def _heads(model: TinyModel, vocabulary: Vocabulary, rng: np.random.Generator) -> bytes:
    d, genres, languages = model.d_model, len(vocabulary.genres) + 1, len(vocabulary.languages) + 1
    return _graph(
        f"float[B,{d}] state_BD",
        f"float[B,{genres}] genre_BG, float[B,{languages}] language_BW",
        "genre_BG = MatMul(state_BD, to_genre) language_BW = MatMul(state_BD, to_language)",
        {"to_genre": _random(rng, d, genres), "to_language": _random(rng, d, languages)},
    )


def _tower(
    model: TinyModel, vocabulary: Vocabulary, rng: np.random.Generator, broken_kind: int | None
) -> bytes:
    d, genres = model.d_model, len(vocabulary.genres) + 1
    content, names = vocabulary.content_dimensions, len(vocabulary.embeddings)
    kind_table = _random(rng, 5, d)
    apart = rng.spawn(1)[0]  # what is drawn from it moves no other weight
    if broken_kind is not None:
        kind_table[broken_kind] = np.nan
    return _graph(
        f"int64[E] id_E, int64[E] kind_E, float[E,{genres}] genres_EG, int64[E] year_E, "
        "int64[E] language_E, int64[E] maturity_E, float[E,2] age_EA, "
        f"int64[E,{ORIGINS_OF_ENTITY_MAX}] origins_EO, int64[E,{PEOPLE_OF_ENTITY_MAX}] people_EP, "
        f"float[E,{content}] content_EC, float[E,{names}] has_content_EN",
        f"float[E,{d}] input_ED, float[E,{d}] output_ED",
        """
        id = Gather<axis=0>(id_table, id_E)
        kind = Gather<axis=0>(kind_table, kind_E)
        year = Gather<axis=0>(year_table, year_E)
        language = Gather<axis=0>(language_table, language_E)
        maturity = Gather<axis=0>(maturity_table, maturity_E)
        genre = MatMul(genres_EG, genre_table)
        age = MatMul(age_EA, age_table)
        origins = Gather<axis=0>(origin_table, origins_EO)
        origin = ReduceSum<keepdims=0>(origins, axis_1)
        people = Gather<axis=0>(person_table, people_EP)
        person = ReduceSum<keepdims=0>(people, axis_1)
        content = MatMul(content_EC, content_table)
        has_content = MatMul(has_content_EN, has_content_table)
        mixed = Sum(id, kind, year, language, maturity, genre, age, origin, person, content,
            has_content)
        bounded = Tanh(mixed)
        input_ED = MatMul(bounded, to_input)
        output_ED = MatMul(bounded, to_output)
        """,
        {
            "id_table": _random(rng, len(vocabulary.entities) + 1, d),
            "kind_table": kind_table,
            "year_table": _random(rng, YEARS, d),
            "language_table": _random(rng, len(vocabulary.languages) + 1, d),
            "maturity_table": _random(rng, 22, d),
            "genre_table": _random(rng, genres, d),
            "age_table": _random(rng, 2, d),
            "axis_1": np.array([1]),
            "origin_table": _names(apart, len(vocabulary.origins), d),
            "person_table": _names(apart, len(vocabulary.people), d),
            "content_table": _random(apart, content, d),
            "has_content_table": _random(apart, names, d),
            "to_input": _random(rng, d, d),
            "to_output": _random(rng, d, d),
        },
    )


def _prompt(model: TinyModel, vocabulary: Vocabulary, rng: np.random.Generator) -> bytes:
    """Of a model that compresses, a group is the last of its steps plus the sum of all."""
    d, fields = model.d_model, len(FIELDS)
    inputs = f"float[B,T,{d}] entity_BTD, int64[B,T,{fields}] fields_BTF"
    nodes = """
        shifted = Add(fields_BTF, field_offsets)
        embedded = Gather<axis=0>(field_table, shifted)
        summed = ReduceSum<keepdims=0>(embedded, axis_2)
    """
    if not model.compress_keep:
        nodes += "tokens_BTD = Add(summed, entity_BTD)"
    else:
        m = STEPS_OF_A_GROUP
        inputs += f", float[B,G,{m},{d}] old_entity_BGMD, int64[B,G,{m},{fields}] old_fields_BGMF"
        nodes += """
            plain = Add(summed, entity_BTD)
            old_shifted = Add(old_fields_BGMF, field_offsets)
            old_embedded = Gather<axis=0>(field_table, old_shifted)
            old_summed = ReduceSum<keepdims=0>(old_embedded, axis_3)
            old = Add(old_summed, old_entity_BGMD)
            last = Gather<axis=2>(old, last_step)
            total = ReduceSum<keepdims=0>(old, axis_2)
            merged = Add(last, total)
            profile = Slice(plain, zero, one, axis_1)
            rest = Slice(plain, one, end, axis_1)
            tokens_BTD = Concat<axis=1>(profile, merged, rest)
        """
    outputs = f"float[B,{'U' if model.compress_keep else 'T'},{d}] tokens_BTD"
    return _graph(inputs, outputs, nodes, _field_weights(model, vocabulary, rng))


def _decoder(model: TinyModel) -> str:
    layers = "\n".join(_layer(model, i) for i in range(model.layers))
    return f"""
        x_0 = Identity(tokens_BSD)
        {layers}
        squared = Mul(x_{model.layers}, x_{model.layers})
        mean = ReduceMean<keepdims=1>(squared, axis_2)
        size = Sqrt(mean)
        hidden_BSD = Div(x_{model.layers}, size)
        {"state_BSD = Neg(hidden_BSD)" if model.prediction_heads else ""}
    """


def _layer(model: TinyModel, i: int) -> str:
    caches = f"keys_{i}_BHCK, values_{i}_BHCK"
    heads = f"num_heads={model.heads}, kv_num_heads={model.heads}, do_rotary=1"
    return f"""
        heads_{i} = MatMul(x_{i}, to_heads_{i})
        read_{i}, new_{caches.replace(" ", " new_")} = com.microsoft.GroupQueryAttention<{heads}>(
            heads_{i}, , , {caches}, last_B, total, cos_CJ, sin_CJ)
        mixed_{i} = MatMul(read_{i}, from_heads_{i})
        attended_{i} = Add(x_{i}, mixed_{i})
        wide_{i} = MatMul(attended_{i}, to_wide_{i})
        active_{i} = Relu(wide_{i})
        narrow_{i} = MatMul(active_{i}, from_wide_{i})
        x_{i + 1} = Add(attended_{i}, narrow_{i})
    """


def _decoder_weights(model: TinyModel, rng: np.random.Generator) -> Weights:
    d, width = model.d_model, model.heads * model.head_dim
    speed_J = np.geomspace(1.0, 0.01, model.head_dim // 2, dtype=np.float32)
    angle_CJ = np.arange(model.positions_max, dtype=np.float32)[:, None] * speed_J
    weights: Weights = {
        "axis_2": np.array([2]),
        "cos_CJ": np.cos(angle_CJ),
        "sin_CJ": np.sin(angle_CJ),
    }
    for i in range(model.layers):
        weights[f"to_heads_{i}"] = _random(rng, d, 3 * width)
        weights[f"from_heads_{i}"] = _random(rng, width, d)
        weights[f"to_wide_{i}"] = _random(rng, d, model.mlp)
        weights[f"from_wide_{i}"] = _random(rng, model.mlp, d)
    return weights


def _field_weights(model: TinyModel, vocabulary: Vocabulary, rng: np.random.Generator) -> Weights:
    sizes = np.array(vocabulary.field_sizes())
    apart = rng.spawn(1)[0]  # a new field moves no other weight
    return {
        "field_offsets": np.cumsum(sizes) - sizes,
        "field_table": _random(apart, int(sizes.sum()), model.d_model),
        "axis_2": np.array([2]),
        "axis_3": np.array([3]),
        "last_step": np.array(STEPS_OF_A_GROUP - 1),
        "axis_1": np.array([1]),
        "zero": np.array([0]),
        "one": np.array([1]),
        "end": np.array([np.iinfo(np.int64).max]),
    }


def _graph(inputs: str, outputs: str, nodes: str, weights: Weights) -> bytes:
    header = f'<ir_version: 10, opset_import: ["" : {OPSET}, "com.microsoft" : 1]>'
    text = f"{header} g ({inputs}) => ({outputs}) {{{nodes}}}"
    model = onnx.parser.parse_model(text)
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in weights.items() if name in used
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _canary(
    graphs: Mapping[str, bytes], model: TinyModel, vocabulary: Vocabulary, rng: np.random.Generator
) -> Weights:
    """Inputs and outputs of the graphs, named as in the contract."""
    cache = (1, model.heads, 6, model.head_dim)
    entities = [entity("known", "Comedy", released_at_ms=START_MS), entity("new", "Opera")]
    inputs: dict[str, Weights] = {
        TOWER_FILE: entity_features(entities, vocabulary),
        PROMPT_FILE: _prompt_example(model, vocabulary, rng),
        DECODE_FILE: {
            "tokens_BSD": _random(rng, 1, 3, model.d_model),
            "last_B": np.array([5], np.int32),
            "total": np.array(6, np.int32),
            **{name: _random(rng, *cache) for name in cache_names(model.layers)},
        },
    }
    prefixes = {TOWER_FILE: "tower", PROMPT_FILE: "prompt", DECODE_FILE: "decode"}
    if model.prediction_heads:
        prefixes[HEADS_FILE] = "heads"
        inputs[HEADS_FILE] = {"state_BD": _random(rng, 2, model.d_model)}
    canary: Weights = {}
    for name, prefix in prefixes.items():
        outputs = Graph(name, graphs[name], EngineConfig()).run(inputs[name])
        canary |= {f"{prefix}.{n}": value for n, value in (inputs[name] | outputs).items()}
    return canary


def _prompt_example(model: TinyModel, vocabulary: Vocabulary, rng: np.random.Generator) -> Weights:
    def drawn(*axes: int) -> list[npt.NDArray[np.generic]]:
        entity = _random(rng, *axes, model.d_model)
        return [entity, rng.integers(0, vocabulary.field_sizes(), (*axes, len(FIELDS)))]

    example = dict(zip(("entity_BTD", "fields_BTF"), drawn(2, 4), strict=True))
    if model.compress_keep:
        names = ("old_entity_BGMD", "old_fields_BGMF")
        example |= zip(names, drawn(2, 3, STEPS_OF_A_GROUP), strict=True)
    return example


def _names(rng: np.random.Generator, names: int, d_model: int) -> npt.NDArray[np.float32]:
    """A table whose index 0 adds nothing."""
    table = _random(rng, names + 1, d_model)
    table[0] = 0.0
    return table


def _random(rng: np.random.Generator, *shape: int) -> npt.NDArray[np.float32]:
    return (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
