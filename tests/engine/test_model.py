"""A bundle bound to a catalog."""

from pathlib import Path

import numpy as np
from engine.factories_engine import TinyModel, vocabulary_of, write_bundle
from rules.factories_rules import predicate_row, snapshot

from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.rules.page_state import NO_ARGUMENT


def test_rows_have_their_embeddings_and_unknown_ones_the_fallback(
    bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    rows = [predicate_row("new"), catalog.rows[2], predicate_row("newer")]
    model = Model(bundle, snapshot(catalog.entities, rows))
    np.testing.assert_array_equal(model.row_input_RD, bundle.row_input_RD[[0, 3, 0]])
    np.testing.assert_array_equal(model.row_output_RD, bundle.row_output_RD[[0, 3, 0]])


def test_a_row_s_token_is_its_own_its_argument_s_and_its_request_s(
    bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    model = Model(bundle, catalog)
    request_D = np.arange(16, dtype=np.float32)
    plain_D = model.row_input_RD[2] + request_D
    np.testing.assert_array_equal(model.row_token(2, NO_ARGUMENT, request_D), plain_D)
    about_D = plain_D + model.entities.input_ND[5]
    np.testing.assert_array_equal(model.row_token(2, 5, request_D), about_D)


def test_a_model_for_a_newer_catalog_embeds_only_what_changed(
    bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    older = Model(bundle, catalog)
    newer = Model(bundle, snapshot(catalog.entities, catalog.rows, 2), older=older)
    assert newer.entities.changed.size == 0
    assert newer.version == bundle.version


def test_a_model_of_another_bundle_takes_nothing_over(
    bundle: Bundle, catalog: CatalogSnapshot, tmp_path: Path
) -> None:
    other = load_bundle(write_bundle(tmp_path, vocabulary_of(catalog), TinyModel(seed=7)))
    model = Model(other, catalog, older=Model(bundle, catalog))
    assert model.entities.changed.size == len(catalog.entities)
    np.testing.assert_array_equal(
        model.entities.output_ND, Model(other, catalog).entities.output_ND
    )
