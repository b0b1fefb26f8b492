"""A base's graphs with other weights in them equal, byte by byte, what an export would give."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import onnx
import pytest
import torch
from factories_vocabulary import VOCABULARY
from trainer.factories_trainer import SMALL

from pagecast.engine.errors import BundleError
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.export.graphs import export, graph_specs
from pagecast.trainer.export.parity import EXAMPLE, RandomInputs
from pagecast.trainer.export.refilling import Former
from pagecast.trainer.export.tables_apart import tables_apart
from pagecast.trainer.network.model import PageModel

CONFIG = dataclasses.replace(SMALL.model, layers=2, compress_keep=4, output_dim=16)

GROWN = dataclasses.replace(
    VOCABULARY,
    entities=(*VOCABULARY.entities, "new film"),
    entity_interactions=(9, 1, 2),
    rows=(*VOCABULARY.rows, "new row"),
    devices=(*VOCABULARY.devices, "projector"),
    people=(*VOCABULARY.people, "Alan"),
    origins=(*VOCABULARY.origins, "NL"),
)
MORE_GENRES = dataclasses.replace(GROWN, genres=(*VOCABULARY.genres, "War"), languages=("a",))


def drawn(vocabulary: Vocabulary, seed: int, config: ModelConfig = CONFIG) -> PageModel:
    torch.manual_seed(seed)
    model = PageModel(config, vocabulary).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def exported(model: PageModel, vocabulary: Vocabulary) -> dict[str, bytes]:
    inputs = RandomInputs(model=model, vocabulary=vocabulary)
    return {
        spec.name: export(spec, inputs.draw(spec.name, EXAMPLE, seed=0))
        for spec in graph_specs(model, heads=True)
    }


@pytest.fixture(scope="module")
def former() -> Former:
    model = drawn(VOCABULARY, seed=0)
    return Former(model=model, vocabulary=VOCABULARY, graphs=exported(model, VOCABULARY))


@pytest.mark.parametrize(
    ("vocabulary", "names"),
    [
        (GROWN, {"entity_tower", "prompt", "decode", "heads"}),
        (MORE_GENRES, {"prompt", "decode"}),
    ],
    ids=["more lines of tables", "more genres, which the tower and the heads count"],
)
def test_what_is_refilled_is_what_an_export_gives(
    former: Former, vocabulary: Vocabulary, names: set[str]
) -> None:
    model = drawn(vocabulary, seed=1)
    refilled = former.refilled(model, vocabulary, heads=True)
    exports = exported(model, vocabulary)
    assert refilled.keys() == names
    for name, graph in refilled.items():
        assert graph == exports[name], name


def test_a_table_that_lay_apart_comes_back(former: Former) -> None:
    """In a bundle the tower's large ones do; here its largest."""
    tower = former.graphs["entity_tower"]
    tensors = onnx.load_from_string(tower).graph.initializer
    largest = max(len(tensor.raw_data) for tensor in tensors)
    apart, _ = tables_apart(tower, "tower.", {}, bytes_min=largest)
    assert len(apart) < len(tower)
    stored = dataclasses.replace(former, graphs={**former.graphs, "entity_tower": apart})
    model = drawn(GROWN, seed=1)
    whole, back = (of.refilled(model, GROWN, heads=True) for of in (former, stored))
    assert back["entity_tower"] == whole["entity_tower"]


def none_of(refilled: Mapping[str, bytes]) -> bool:
    return not refilled


def test_another_config_is_another_graph(former: Former) -> None:
    """Even one that no weight tells of."""
    other = dataclasses.replace(CONFIG, rotary_base=1_000.0)
    assert none_of(former.refilled(drawn(VOCABULARY, 1, other), VOCABULARY, heads=True))


def test_a_head_that_is_conditioned_on_genres_counts_them(former: Former) -> None:
    config = dataclasses.replace(CONFIG, conditioned_head=True)
    model, now = drawn(VOCABULARY, 0, config), drawn(MORE_GENRES, 1, config)
    conditioned = dataclasses.replace(former, model=model)
    assert conditioned.refilled(now, MORE_GENRES, heads=True).keys() == {"prompt"}


def test_a_former_model_without_heads_gives_none(former: Former) -> None:
    graphs = {name: graph for name, graph in former.graphs.items() if name != "heads"}
    without = dataclasses.replace(former, graphs=graphs)
    assert none_of(without.refilled(drawn(VOCABULARY, 1), VOCABULARY, heads=True))


def test_a_weight_that_cannot_be_told_leaves_its_graph_to_the_export(former: Former) -> None:
    """Two layers alike: the transposes in the graph may be of either."""
    model = drawn(VOCABULARY, seed=0)
    first, second = (block.attention.out for block in model.decoder.blocks[:2])
    second.load_state_dict(first.state_dict())
    alike = dataclasses.replace(former, model=model)
    refilled = alike.refilled(drawn(VOCABULARY, seed=1), VOCABULARY, heads=True)
    assert refilled.keys() == {"entity_tower", "prompt", "heads"}


def test_another_torch_exports_for_itself(former: Former) -> None:
    graphs = {}
    for name, graph in former.graphs.items():
        proto = onnx.load_from_string(graph)
        proto.producer_version = "1.0"
        graphs[name] = proto.SerializeToString()
    older = dataclasses.replace(former, graphs=graphs)
    assert none_of(older.refilled(drawn(VOCABULARY, seed=1), VOCABULARY, heads=True))


def test_a_bundle_that_is_gone_is_none(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        Former.of(tmp_path / "gone", drawn(VOCABULARY, seed=0), VOCABULARY)


def test_what_torch_has_merged_is_left_to_the_export() -> None:
    """Biases that have not moved, and tables of names that no catalog had, are one array."""
    nobody = dataclasses.replace(VOCABULARY, people=(), origins=())
    torch.manual_seed(0)
    begun = PageModel(CONFIG, nobody).eval()
    former = Former(model=begun, vocabulary=nobody, graphs=exported(begun, nobody))
    model = drawn(VOCABULARY, seed=1)
    refilled = former.refilled(model, VOCABULARY, heads=True)
    exports = exported(model, VOCABULARY)
    assert "entity_tower" not in refilled
    assert {name: exports[name] for name in refilled} == refilled


def test_a_tensor_of_integers_that_torch_has_merged_is_left_to_the_export(former: Former) -> None:
    """A tower that has seen every kind, and one that has not."""
    model = drawn(VOCABULARY, seed=1)
    model.tower.seen_kind[2:] = 0
    refilled = former.refilled(model, VOCABULARY, heads=True)
    assert refilled.keys() == {"prompt", "decode", "heads"}
