"""A user's vector is the hidden state a page would go on from, after the row `top`."""

from pathlib import Path

import numpy as np
import pytest
from engine.factories_batch import Received, batch_of, finish, job_of
from engine.factories_engine import TinyModel, prompt_of, vocabulary_of, write_bundle
from rules.factories_rules import entity, predicate_row, snapshot

from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.bundles.manifest import HEADS_FILE, PredictionHead
from pagecast.engine.errors import BundleError
from pagecast.engine.model import Model
from pagecast.engine.vectors.user_encoder import StoppedError, UserEncoder, next_row_token
from pagecast.featurestore.catalog.snapshot import NEXT_ROW, CatalogSnapshot

BOTH = (PredictionHead.GENRE, PredictionHead.LANGUAGE)
LONG = prompt_of(*(f"e{i % 60}" for i in range(150)))


@pytest.fixture(scope="module")
def model(bundle: Bundle, catalog: CatalogSnapshot) -> Model:
    return Model(bundle, catalog)


@pytest.fixture(scope="module")
def with_heads(tmp_path_factory: pytest.TempPathFactory, catalog: CatalogSnapshot) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    return write_bundle(folder, vocabulary_of(catalog), TinyModel(prediction_heads=BOTH))


def test_it_is_the_state_after_the_prompt_and_the_row(model: Model) -> None:
    decoder = model.bundle.decoder(slots=1)
    tokens_TD = tokens_of(model, encode(model, LONG))
    tokens_TD = np.concatenate([tokens_TD, next_row_token(model, tokens_TD[-1])[None]])
    state = UserEncoder(PrefixCache(0)).encode(model, "ada", LONG)
    np.testing.assert_allclose(state.hidden_O, decoder.feed(0, tokens_TD)[-1], atol=1e-5)
    assert state.state_D is None, "the bundle has no heads"


def test_what_a_page_has_kept_of_the_user_changes_nothing(model: Model) -> None:
    prefixes = PrefixCache()
    batch, page = batch_of(model, prefixes=prefixes), Received()
    batch.join(job_of(model, page, LONG, prefixes=prefixes))
    finish(batch)
    kept = len(prefixes)
    found = UserEncoder(prefixes).encode(model, "ada", LONG)
    assert prefixes.positions_found > 100
    assert len(prefixes) == kept == 1
    fresh = UserEncoder(PrefixCache(0)).encode(model, "ada", LONG)
    np.testing.assert_allclose(found.hidden_O, fresh.hidden_O, atol=1e-5)


def test_a_user_asked_for_after_another_is_the_user_asked_for_first(model: Model) -> None:
    encoder = UserEncoder(PrefixCache(0))
    first = encoder.encode(model, "ada", prompt_of("e1", "e2"))
    encoder.encode(model, "bob", LONG)
    again = encoder.encode(model, "ada", prompt_of("e1", "e2"))
    np.testing.assert_array_equal(first.hidden_O, again.hidden_O)


def test_the_row_is_the_catalogs_or_the_fallback(bundle: Bundle) -> None:
    request_D = np.ones(bundle.manifest.model.d_model, np.float32)
    films = [entity("e1", "Drama")]
    without = Model(bundle, snapshot(films, [predicate_row("all")]))
    fallback_D = bundle.row_input_RD[0] + request_D
    np.testing.assert_array_equal(next_row_token(without, request_D), fallback_D)
    rows = [predicate_row("all"), predicate_row(NEXT_ROW)]
    known = Model(bundle, snapshot(films, rows))
    expected_D = known.row_input_RD[1] + request_D
    np.testing.assert_array_equal(next_row_token(known, request_D), expected_D)


def test_who_is_not_wanted_any_more_is_left_between_chunks(model: Model) -> None:
    asked = []
    with pytest.raises(StoppedError):
        UserEncoder(PrefixCache(0)).encode(
            model, "ada", LONG, lambda: asked.append(1) is not None or len(asked) == 2
        )
    assert len(asked) == 2


def test_heads_read_the_decoders_state_after_the_prompt_alone(
    with_heads: Path, catalog: CatalogSnapshot
) -> None:
    """In this graph that state is the negative of the hidden one."""
    model = Model(load_bundle(with_heads), catalog)
    assert model.bundle.manifest.heads == BOTH
    tokens_TD = tokens_of(model, encode(model, LONG))
    decoder = model.bundle.decoder(slots=1)
    expected_D = -decoder.feed(0, tokens_TD)[-1]
    state = UserEncoder(PrefixCache(0)).encode(model, "ada", LONG)
    assert state.state_D is not None
    np.testing.assert_allclose(state.state_D, expected_D, atol=1e-5)


def test_a_bundle_that_tells_of_heads_and_has_none_is_refused(
    with_heads: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in with_heads.iterdir():
        data = file.read_bytes()
        (copy / file.name).write_bytes(data[:-1] + b"?" if file.name == HEADS_FILE else data)
    with pytest.raises(BundleError, match=f"{HEADS_FILE}: altered"):
        load_bundle(copy)
    (copy / HEADS_FILE).unlink()
    with pytest.raises(BundleError, match=f"{HEADS_FILE}: cannot be read"):
        load_bundle(copy)
