"""One small bundle for the whole suite; each test binds it to the catalog it needs."""

from pathlib import Path

import pytest
from engine.factories_engine import vocabulary_of, write_bundle
from rules.factories_rules import compare, entity, predicate_row, snapshot, source_row

from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.v1 import catalog_pb2


@pytest.fixture(scope="session")
def catalog() -> CatalogSnapshot:
    """Sixty films of two genres, and rows of several kinds."""
    return snapshot(
        [entity(f"e{i}", "Comedy" if i % 2 else "Drama") for i in range(60)],
        [
            predicate_row("all"),
            predicate_row("comedy", compare("genre", "Comedy")),
            predicate_row("drama", compare("genre", "Drama"), first_entity_ids=("e4",)),
            source_row("popular", catalog_pb2.ROW_SOURCE_POPULAR, pin=1),
            source_row("because", catalog_pb2.ROW_SOURCE_BECAUSE),
            source_row("continue", catalog_pb2.ROW_SOURCE_CONTINUE, pin=2),
        ],
    )


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory, catalog: CatalogSnapshot) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle"), vocabulary_of(catalog))


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    return load_bundle(bundle_path)
