"""Embeddings follow the catalog: only what changed goes through the tower."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from engine.factories_engine import vocabulary_of, write_bundle
from rules.factories_rules import entity, snapshot
from structlog.testing import capture_logs

from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.errors import EngineError
from pagecast.engine.vectors.embeddings import TOWER_ENTITIES_MAX, EntityTable
from pagecast.featurestore.catalog.content import content_vector
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.vocabulary import entity_features
from pagecast.v1 import catalog_pb2


def test_every_entity_has_the_embeddings_of_the_tower(
    bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    table = EntityTable(bundle, catalog)
    outputs = bundle.tower.run(entity_features(catalog.entities, bundle.vocabulary))
    np.testing.assert_array_equal(table.input_ND, outputs["input_ED"])
    np.testing.assert_array_equal(table.output_ND, outputs["output_ED"])


def test_a_catalog_larger_than_one_run_of_the_tower(bundle: Bundle) -> None:
    entities = [entity(f"n{i}", "Comedy", maturity=i % 20) for i in range(TOWER_ENTITIES_MAX + 5)]
    table = EntityTable(bundle, snapshot(entities))
    last = EntityTable(bundle, snapshot(entities[-3:]))
    np.testing.assert_allclose(table.output_ND[-3:], last.output_ND, rtol=1e-5)


def test_a_launched_entity_is_embedded_and_the_others_are_not_again(
    bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    older = EntityTable(bundle, catalog)
    changed = dataclasses.replace(catalog.entities[3], genres=("Drama",), number=2)
    launched = entity("brand-new", "Comedy", kind=catalog_pb2.ENTITY_KIND_LIVE_EVENT, number=3)
    entities = [*catalog.entities[:3], changed, *catalog.entities[4:], launched]
    newer = EntityTable(bundle, snapshot(entities, catalog.rows, 3), older)
    assert newer.changed.tolist() == [3, 60]
    scratch = EntityTable(bundle, snapshot(entities, catalog.rows, 3))
    np.testing.assert_allclose(newer.input_ND, scratch.input_ND, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(newer.output_ND, scratch.output_ND, rtol=1e-5, atol=1e-6)
    assert np.abs(newer.output_ND[60]).max() > 0
    assert not np.array_equal(newer.output_ND[3], older.output_ND[3])


def test_new_entities_of_the_same_metadata_are_embedded_alike(bundle: Bundle) -> None:
    table = EntityTable(bundle, snapshot([entity("new", "Comedy"), entity("newer", "Comedy")]))
    np.testing.assert_array_equal(table.output_ND[0], table.output_ND[1])


@pytest.mark.parametrize(
    "metadata",
    [
        {"countries": ("FR",)},
        {"people": ("Nobody knows", "Grace")},
        {"content": (content_vector("text", [1.0, 0.0, 0.0, 0.0]),)},
    ],
    ids=["country", "person", "content"],
)
def test_a_change_of_metadata_moves_the_entity_and_no_other(
    bundle: Bundle, catalog: CatalogSnapshot, metadata: dict[str, object]
) -> None:
    older = EntityTable(bundle, catalog)
    changed = dataclasses.replace(catalog.entities[3], number=2, **metadata)  # type: ignore[arg-type]
    entities = [*catalog.entities[:3], changed, *catalog.entities[4:]]
    newer = EntityTable(bundle, snapshot(entities, catalog.rows, 2), older)
    moved = np.abs(newer.output_ND - older.output_ND).max(axis=1) > 1e-4
    assert np.flatnonzero(moved).tolist() == [3]


def test_content_of_another_space_counts_as_missing_and_is_told(bundle: Bundle) -> None:
    plain = EntityTable(bundle, snapshot([entity("new")]))
    other = entity("new", content=(content_vector("text", [1.0, 2.0]),))
    with capture_logs() as logs:
        table = EntityTable(bundle, snapshot([other]))
    np.testing.assert_array_equal(table.output_ND, plain.output_ND)
    (told,) = logs
    assert (told["event"], told["first_entity"]) == ("content_embeddings_ignored", "new")
    assert told["dimensions_expected"] == 4


def test_content_of_a_name_the_model_lacks_is_no_mistake(bundle: Bundle) -> None:
    plain = EntityTable(bundle, snapshot([entity("new")]))
    newer = entity("new", content=(content_vector("sound", [1.0] * 4),))
    with capture_logs() as logs:
        table = EntityTable(bundle, snapshot([newer]))
    np.testing.assert_array_equal(table.output_ND, plain.output_ND)
    assert logs == []


def test_a_catalog_that_started_over_smaller_is_embedded_too(
    bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    smaller = snapshot([entity("e5", "Comedy", changed_at_ms=1)])
    table = EntityTable(bundle, smaller, EntityTable(bundle, catalog))
    np.testing.assert_array_equal(table.input_ND, EntityTable(bundle, smaller).input_ND)


def test_a_prompt_gets_the_input_embeddings_of_its_entities(
    bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    table = EntityTable(bundle, catalog)
    input_TD = table.prompt_inputs(["", "e7", "nobody", "e7"])
    np.testing.assert_array_equal(input_TD[1], table.input_ND[7])
    np.testing.assert_array_equal(input_TD[3], table.input_ND[7])
    assert not input_TD[[0, 2]].any()


def test_an_entity_the_catalog_lost_is_embedded_by_its_id(
    bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    table = EntityTable(bundle, snapshot(catalog.entities[:5]))
    lost_TD = table.prompt_inputs(["e7", "e8"])
    assert np.abs(lost_TD).max(axis=1).min() > 0
    assert not np.array_equal(lost_TD[0], lost_TD[1])
    again = EntityTable(bundle, snapshot(catalog.entities[:6], number=2), table)
    np.testing.assert_allclose(again.prompt_inputs(["e7", "e8"]), lost_TD, rtol=1e-5)
    np.testing.assert_array_equal(again.prompt_inputs(["e5"])[0], again.input_ND[5])
    smaller = EntityTable(bundle, snapshot(catalog.entities[:2], number=3), again)
    assert np.abs(smaller.prompt_inputs(["e3"])).max() > 0


def test_an_entity_that_embeds_to_no_number_is_an_error(
    tmp_path: Path, catalog: CatalogSnapshot
) -> None:
    path = write_bundle(tmp_path, vocabulary_of(catalog), broken_kind=catalog_pb2.ENTITY_KIND_GAME)
    good, bad = entity("good"), entity("bad", kind=catalog_pb2.ENTITY_KIND_GAME)
    with pytest.raises(EngineError, match="entity bad embeds to no number"):
        EntityTable(load_bundle(path), snapshot([good, bad]))
