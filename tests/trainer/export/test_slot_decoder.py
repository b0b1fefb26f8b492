"""The exported decoder, run by the engine in its slots, is the decoder in torch."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from trainer.factories_decoded import decoded_prompt

from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.batching.slot_decoder import CHUNK_MAX
from pagecast.engine.batching.slot_decoder import SlotDecoder as Slots
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.manifest import ModelShape
from pagecast.engine.choice import NEAR_TIE
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.graph import EngineConfig, Graph
from pagecast.engine.model import Model
from pagecast.engine.page import decode_page
from pagecast.engine.page_events import EntityChosen, RowBegun, RowEnded
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import STEPS_MAX, Profile
from pagecast.featurestore.prompt.context import CONTEXT_POSITIONS_MAX
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.featurestore.prompt.semantic_ids import TOKENS_OF_ENTITY_MAX
from pagecast.featurestore.state import StatePaths
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import ENTITIES_PER_ROW_MAX, ROWS_MAX, RequestFacts
from pagecast.rules.page_rules import compile_rules
from pagecast.rules.page_state import NO_ARGUMENT, PageState
from pagecast.trainer.config import HEAD_DIM, ModelConfig, Response
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.export.bundle import load_model, shape_of
from pagecast.trainer.export.graphs import export, graph_specs
from pagecast.trainer.export.parity import EXAMPLE, RandomInputs
from pagecast.trainer.export.slot_decoder import POSITIONS_MAX, SlotDecoder
from pagecast.trainer.job import TrainOutcome
from pagecast.trainer.network.model import PageModel

GROUPED = ModelConfig(d_model=32, layers=2, query_heads=4, kv_heads=2, mlp_hidden=48, output_dim=24)


@pytest.fixture(scope="module")
def exported(dataset: Dataset) -> tuple[PageModel, bytes]:
    """Two query heads share a key/value head, hidden states are narrower than tokens; weights large
    enough for attention to matter."""
    torch.manual_seed(0)
    model = PageModel(GROUPED, dataset.vocabulary).eval()
    for parameter in model.decoder.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    spec = graph_specs(model)[2]
    inputs = RandomInputs(model=model, vocabulary=dataset.vocabulary)
    return model, export(spec, inputs.draw(spec.name, EXAMPLE, seed=0))


def test_pages_of_any_lengths_in_slots_are_the_pages_in_torch(
    exported: tuple[PageModel, bytes],
) -> None:
    model, data = exported
    shape = ModelShape(
        d_model=GROUPED.d_model,
        output_dim=GROUPED.output_width,
        layers=GROUPED.layers,
        query_heads=GROUPED.query_heads,
        kv_heads=GROUPED.kv_heads,
        head_dim=HEAD_DIM,
        genres=0,
        steps_max=512,
        positions_max=POSITIONS_MAX,
    )
    slots = Slots(Graph("decode.onnx", data, EngineConfig()), shape, slots=4)
    rng = np.random.default_rng(0)
    lengths = (1, 2 * CHUNK_MAX + 3, CHUNK_MAX, 7)
    pages = [rng.normal(size=(n + 3, GROUPED.d_model)).astype(np.float32) for n in lengths]
    found = [slots.feed(i, page[:-3]) for i, page in enumerate(pages)]
    for step in (-3, -2, -1):
        hidden_BD = slots.step(range(4), np.stack([page[step] for page in pages]))
        found = [np.concatenate([f, h[None]]) for f, h in zip(found, hidden_BD, strict=True)]
    for page, hidden_SD in zip(pages, found, strict=True):
        with torch.no_grad():
            expected_1SD = model.head(model.decoder.prefill(torch.from_numpy(page)[None])[0])
        np.testing.assert_allclose(hidden_SD, expected_1SD[0].numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("response", "tokens"), [("entities", 1), ("semantic_ids", TOKENS_OF_ENTITY_MAX)]
)
def test_the_longest_page_there_can_be_has_room_in_a_slot(
    dataset: Dataset, response: Response, tokens: int
) -> None:
    model = PageModel(dataclasses.replace(GROUPED, response=response), dataset.vocabulary)
    room = shape_of(model, dataset.vocabulary).positions_max
    prompt = STEPS_MAX + 2 + CONTEXT_POSITIONS_MAX
    assert prompt + ROWS_MAX * (1 + ENTITIES_PER_ROW_MAX * tokens) <= room
    assert len(SlotDecoder(model).cos_CJ) == len(SlotDecoder(model).sin_CJ) == room


def test_attention_and_norms_are_one_operator_each(exported: tuple[PageModel, bytes]) -> None:
    operators = [node.op_type for node in onnx.load_from_string(exported[1]).graph.node]
    assert operators.count("GroupQueryAttention") == GROUPED.layers
    assert operators.count("SkipSimplifiedLayerNormalization") == 2 * GROUPED.layers
    assert operators.count("SimplifiedLayerNormalization") == 1
    assert not set(operators) & {"Softmax", "Concat", "Transpose", "ScatterND", "Split"}


def test_weights_are_ready_in_the_graph(exported: tuple[PageModel, bytes]) -> None:
    """Nothing of them is computed in a run: what rounds them would not find them either."""
    graph = onnx.load_from_string(exported[1]).graph
    weights = {tensor.name for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMul"]
    assert len(products) == 5 * GROUPED.layers + 1
    assert all(product.input[1] in weights for product in products)


def test_scores_are_not_scaled_and_queries_are(exported: tuple[PageModel, bytes]) -> None:
    """An eighth, exactly: no product rounds otherwise."""
    model, data = exported
    graph = onnx.load_from_string(data).graph
    for node in graph.node:
        if node.op_type == "GroupQueryAttention":
            assert [a.f for a in node.attribute if a.name == "scale"] == [1.0]
    product = next(node for node in graph.node if node.op_type == "MatMul")
    tensor = next(each for each in graph.initializer if each.name == product.input[1])
    found_XD = onnx.numpy_helper.to_array(tensor).T
    qkv_XD = model.decoder.blocks[0].get_parameter("attention.qkv.weight").detach().numpy()
    queries = GROUPED.query_heads * HEAD_DIM
    np.testing.assert_array_equal(found_XD[:queries] * 8, qkv_XD[:queries])
    np.testing.assert_array_equal(found_XD[queries:], qkv_XD[queries:])


@torch.no_grad()
def test_a_page_of_the_engine_is_the_greedy_page_in_torch(
    outcome: tuple[TrainOutcome, list[str], StatePaths], catalog: CatalogSnapshot
) -> None:
    """Every choice is the best one of a whole forward pass, but where two are as good."""
    bundle_path = outcome[0].bundle
    engine = Model(load_bundle(bundle_path), catalog)
    trained, _, _ = load_model(bundle_path)
    rules = compile_rules(CompiledCatalog(catalog), RequestFacts(at_ms=0), ())
    prompt = Prompt(profile=Profile(), steps=(), request=RequestHalf(at_ms=0))
    prompt_TD = tokens_of(engine, encode(engine, prompt))
    sequence = [prompt_TD]
    state, choices = PageState(rules), 0
    for event in decode_page(engine, prompt, rules, DecodeOptions(exact_entities=40)):
        tokens_1SD = torch.from_numpy(np.concatenate(sequence))[None]
        hidden_D = decoded_prompt(trained, tokens_1SD)[0][0].numpy()
        if isinstance(event, RowBegun):
            assert_best(engine.row_output_RD @ hidden_D, state.row_mask_R, event.row)
            assert state.begin_row(event.row) == event.argument == NO_ARGUMENT
            sequence.append(engine.row_token(event.row, event.argument, prompt_TD[-1])[None])
        elif isinstance(event, EntityChosen):
            logits_N = engine.entities.output_ND @ hidden_D
            assert_best(logits_N, state.entity_mask_N, event.entity)
            state.place(event.entity)
            sequence.append(engine.entities.input_ND[[event.entity]])
        elif isinstance(event, RowEnded):
            state.end_row()
        choices += isinstance(event, RowBegun | EntityChosen)
    assert choices > 20


def assert_best(logits, mask, chosen: int) -> None:  # type: ignore[no-untyped-def]
    assert mask[chosen]
    assert logits[chosen] >= logits[mask].max() - NEAR_TIE
