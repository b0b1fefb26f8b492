"""Embeddings that come with a bundle replace the tower's, for the versions they were made from."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from engine.factories_engine import sealed_with
from rules.factories_rules import entity, snapshot
from safetensors.numpy import load, save

from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.bundles.manifest import EMBEDDINGS_FILE
from pagecast.engine.bundles.ready_embeddings import ReadyEmbeddings
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import Graph
from pagecast.engine.vectors.embeddings import EntityTable, make_ready
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot


@pytest.fixture
def ready(bundle: Bundle, catalog: CatalogSnapshot) -> ReadyEmbeddings:
    return make_ready(bundle.tower, bundle.vocabulary, catalog.entities)


def with_ready(bundle_path: Path, folder: Path, data: bytes) -> Path:
    copy = shutil.copytree(bundle_path, folder / "copy")
    (copy / EMBEDDINGS_FILE).write_bytes(data)
    return sealed_with(copy, EMBEDDINGS_FILE)


def asked_of(tower: Graph, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many entities each run of the tower was given, from now on."""
    counts: list[int] = []
    run = tower.run

    def counted(inputs):  # type: ignore[no-untyped-def]
        counts.append(len(inputs["id_E"]))
        return run(inputs)

    monkeypatch.setattr(tower, "run", counted)
    return counts


def test_a_table_takes_them_and_asks_the_tower_for_nothing(
    bundle: Bundle,
    bundle_path: Path,
    catalog: CatalogSnapshot,
    ready: ReadyEmbeddings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = load_bundle(with_ready(bundle_path, tmp_path, ready.to_bytes()))
    asked = asked_of(loaded.tower, monkeypatch)
    table, made = EntityTable(loaded, catalog), EntityTable(bundle, catalog)
    assert asked == []
    np.testing.assert_array_equal(table.input_ND, made.input_ND)
    np.testing.assert_array_equal(table.output_ND, made.output_ND)
    # They are taken once: a second binding of the same bundle embeds.
    np.testing.assert_array_equal(EntityTable(loaded, catalog).input_ND, made.input_ND)
    assert asked == [len(catalog.entities)]


def test_what_has_changed_or_come_since_goes_through_the_tower(
    bundle: Bundle,
    bundle_path: Path,
    catalog: CatalogSnapshot,
    ready: ReadyEmbeddings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = load_bundle(with_ready(bundle_path, tmp_path, ready.to_bytes()))
    asked = asked_of(loaded.tower, monkeypatch)
    changed = dataclasses.replace(catalog.entities[3], genres=("Drama",), number=2)
    again = dataclasses.replace(catalog.entities[5], genres=("Drama",), changed_at_ms=99)
    entities = [
        *(catalog.entities[:3]), changed, catalog.entities[4], again, *catalog.entities[6:],
        entity("brand-new", "Comedy", number=3),
    ]  # fmt: skip
    newer = snapshot(entities, catalog.rows, 3)
    table, made = EntityTable(loaded, newer), EntityTable(bundle, newer)
    assert asked == [3]
    np.testing.assert_allclose(table.input_ND, made.input_ND, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(table.output_ND, made.output_ND, rtol=1e-5, atol=1e-6)


def test_another_catalog_of_the_same_numbers_is_not_taken_for_this_one(
    ready: ReadyEmbeddings, catalog: CatalogSnapshot
) -> None:
    others = [dataclasses.replace(one, entity_id=f"x{one.entity_id}") for one in catalog.entities]
    *_, right_N = ready.tables(others)
    assert not right_N.any()


def test_they_are_read_as_they_were_written(bundle: Bundle, ready: ReadyEmbeddings) -> None:
    read = ReadyEmbeddings.from_bytes(ready.to_bytes(), bundle.manifest.model)
    assert list(read.entity_ids) == list(ready.entity_ids)
    for name in ("number_E", "changed_at_ms_E", "input_ED", "output_ED"):
        np.testing.assert_array_equal(getattr(read, name), getattr(ready, name))


Tensors = dict[str, np.ndarray]


def cut(tensors: Tensors) -> None:
    tensors["input_ED"] = tensors["input_ED"][:-1].copy()


def narrow(tensors: Tensors) -> None:
    tensors["output_ED"] = tensors["output_ED"][:, :-1].copy()


def no_number(tensors: Tensors) -> None:
    tensors["input_ED"][7, 3] = np.nan


def leave_out(tensors: Tensors) -> None:
    del tensors["number_E"]


def nobody(tensors: Tensors) -> None:
    for name in tensors:
        tensors[name] = tensors[name][:0].copy()
    tensors["entity_ids"] = np.frombuffer(b"[]", np.uint8)


def no_names(tensors: Tensors) -> None:
    tensors["entity_ids"] = np.frombuffer(b"{", np.uint8)


@pytest.mark.parametrize("spoil", [cut, narrow, no_number, leave_out, nobody, no_names])
def test_what_does_not_fit_the_model_is_refused(
    bundle_path: Path, ready: ReadyEmbeddings, tmp_path: Path, spoil: Callable[[Tensors], None]
) -> None:
    tensors = load(ready.to_bytes())
    spoil(tensors)
    path = with_ready(bundle_path, tmp_path, save(tensors))
    with pytest.raises(BundleError, match=f"^{EMBEDDINGS_FILE}: "):
        load_bundle(path)
