"""The map that embeddings are published through is refused unless it belongs to its bundle."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from engine.factories_engine import sealed_with, vocabulary_of, write_bundle
from safetensors.numpy import save

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.manifest import STABILISATION_FILE
from pagecast.engine.errors import BundleError
from pagecast.engine.vectors.stabilisation import Stabilisation, load_stabilisation
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot

WIDTH = 16


def some_map(width: int = WIDTH) -> Stabilisation:
    entity_OP = np.random.default_rng(0).normal(size=(width, width)) + 3.0 * np.eye(width)
    return Stabilisation(entity_OP=entity_OP, user_OP=np.linalg.inv(entity_OP).T)


@pytest.fixture
def path(catalog: CatalogSnapshot, tmp_path: Path) -> Path:
    return write_bundle(tmp_path, vocabulary_of(catalog))


def with_file(bundle: Path, data: bytes) -> Path:
    (bundle / STABILISATION_FILE).write_bytes(data)
    return sealed_with(bundle, STABILISATION_FILE)


def test_a_bundle_without_one_publishes_its_embeddings_as_they_are(path: Path) -> None:
    table = np.random.default_rng(1).normal(size=(3, WIDTH)).astype(np.float32)
    found = load_bundle(path).stabilisation
    np.testing.assert_array_equal(found.entities(table), table)
    np.testing.assert_array_equal(found.users(table), table)


def test_a_bundle_with_one_is_loaded_with_it(path: Path) -> None:
    written = some_map()
    bundle = with_file(path, written.to_bytes())
    for found in (load_bundle(bundle).stabilisation, load_stabilisation(bundle)):
        np.testing.assert_array_equal(found.entity_OP, written.entity_OP)
        np.testing.assert_array_equal(found.user_OP, written.user_OP)


def test_published_embeddings_have_the_products_of_the_models(path: Path) -> None:
    bundle = load_bundle(with_file(path, some_map().to_bytes()))
    rng = np.random.default_rng(2)
    entities, users = (rng.normal(size=(9, WIDTH)).astype(np.float32) for _ in range(2))
    published = bundle.stabilisation
    found = published.entities(entities) @ published.users(users).T
    np.testing.assert_allclose(found, entities @ users.T, atol=1e-4)


def test_the_map_is_part_of_the_version(path: Path) -> None:
    before = path.name
    assert with_file(path, some_map().to_bytes()).name != before


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"junk", "not a map"),
        (save({"entity_OP": np.eye(WIDTH)}), "not a map"),
        (save({"entity_OP": np.eye(3), "user_OP": np.eye(4)}), "two square float64 maps"),
        (save({"entity_OP": np.eye(3)[0], "user_OP": np.eye(3)[0]}), "two square float64 maps"),
        (save({n: np.eye(3, dtype=np.float32) for n in ("entity_OP", "user_OP")}), "float64"),
        (dataclasses.replace(some_map(), user_OP=np.eye(WIDTH)).to_bytes(), "not of one another"),
        (
            dataclasses.replace(some_map(), user_OP=np.full((WIDTH, WIDTH), np.nan)).to_bytes(),
            "not of one another",
        ),
        (some_map(WIDTH + 1).to_bytes(), "for embeddings of 17, the model's are 16 wide"),
    ],
)
def test_what_is_no_map_of_the_model_is_refused(path: Path, data: bytes, why: str) -> None:
    with pytest.raises(BundleError, match=f"{STABILISATION_FILE}: .*{why}"):
        load_bundle(with_file(path, data))


def test_an_altered_map_is_refused(path: Path, tmp_path: Path) -> None:
    bundle = with_file(path, some_map().to_bytes())
    copy = shutil.copytree(bundle, tmp_path / "copy")
    data = bytearray((copy / STABILISATION_FILE).read_bytes())
    data[-1] ^= 1
    (copy / STABILISATION_FILE).write_bytes(data)
    with pytest.raises(BundleError, match=f"{STABILISATION_FILE}: altered"):
        load_bundle(copy)
