"""Which former champions can still carry on a page."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from engine.factories_engine import TinyModel
from server.factories_server import House

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.server.models.former_models import FORMER_MODELS_MAX, FormerModels, ModelRetired


@pytest.fixture
def former(house: House) -> FormerModels:
    return FormerModels(house.registry, house.paths.bundles)


@pytest.fixture
def snapshot(house: House) -> CatalogSnapshot:
    return house.catalog.snapshot()


def test_a_registered_model_is_loaded_once(
    house: House, former: FormerModels, snapshot: CatalogSnapshot
) -> None:
    version = house.train()
    model = former.model(version, snapshot)
    (house.paths.bundles / version).rename(house.paths.bundles / "elsewhere")
    assert model.version == version
    assert former.model(version, snapshot) is model


def test_one_that_is_kept_does_not_wait_for_another_that_is_loaded(
    house: House, former: FormerModels, snapshot: CatalogSnapshot
) -> None:
    kept, slow = house.train(), house.train(TinyModel(seed=1))
    model = former.model(kept, snapshot)
    reads, newer = threading.Event(), house.catalog.snapshot()
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(2) as pages:
        reader.submit(reads.wait)
        loading = pages.submit(former.model, slow, snapshot, reader)
        try:
            assert pages.submit(former.model, kept, snapshot, reader).result(10) is model
            assert pages.submit(former.model, kept, newer, reader).result(10).snapshot is newer
            assert not loading.done()
        finally:
            reads.set()
        assert loading.result(30).version == slow


def test_one_that_was_kept_follows_the_catalog(
    house: House, former: FormerModels, snapshot: CatalogSnapshot
) -> None:
    version = house.train()
    bundle = former.model(version, snapshot).bundle
    newer = house.catalog.snapshot()
    model = former.model(version, newer)
    assert model.bundle is bundle
    assert model.snapshot is newer


def test_the_last_asked_for_are_kept_and_only_for_a_while(
    house: House, former: FormerModels, snapshot: CatalogSnapshot
) -> None:
    versions = [house.train(TinyModel(seed=seed)) for seed in range(FORMER_MODELS_MAX + 1)]
    models = [former.model(version, snapshot) for version in versions]
    assert len(former) == FORMER_MODELS_MAX
    assert former.model(versions[-1], snapshot) is models[-1]
    former.drop_unused(seconds_max=60)
    assert len(former) == FORMER_MODELS_MAX
    former.drop_unused(seconds_max=0)
    assert len(former) == 0
    assert former.model(versions[-1], snapshot) is not models[-1]


def test_what_is_not_registered_or_altered_is_retired_and_not_read_again_at_once(
    house: House, former: FormerModels, snapshot: CatalogSnapshot
) -> None:
    with pytest.raises(ModelRetired):
        former.model("never-registered", snapshot)
    version = house.train()
    graph = house.paths.bundles / version / "decode.onnx"
    sound = graph.read_bytes()
    graph.write_bytes(sound[:-1])
    with pytest.raises(ModelRetired):
        former.model(version, snapshot)
    graph.write_bytes(sound)
    with pytest.raises(ModelRetired):
        former.model(version, snapshot)
    assert FormerModels(house.registry, house.paths.bundles).model(version, snapshot)
