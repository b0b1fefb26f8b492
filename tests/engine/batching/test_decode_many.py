"""A bundle with 8-bit weights may have a form of its own for runs of many tokens."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from engine.factories_engine import sealed_with, with_many_form

from pagecast.engine.batching.slot_decoder import MANY_TOKENS_MIN, SlotDecoder
from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.bundles.checks import INT8_ERROR_MAX
from pagecast.engine.bundles.manifest import (
    DECODE_FILE,
    DECODE_INT8_MANY_FILE,
    DecodeWeights,
)
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import EngineConfig, FloatArray
from pagecast.trainer.export.int8_many import int8_many_form

INT8 = EngineConfig(decode_weights=DecodeWeights.INT8)


@pytest.fixture
def copy(bundle_path: Path, tmp_path: Path) -> Path:
    """A bundle that has no such form yet."""
    return Path(shutil.copytree(bundle_path, tmp_path / "copy"))


@pytest.fixture
def both(copy: Path) -> Bundle:
    return load_bundle(with_many_form(copy), INT8)


def tokens(count: int) -> FloatArray:
    return np.random.default_rng(0).normal(size=(count, 16)).astype(np.float32)


@pytest.mark.parametrize(("count", "many"), [(MANY_TOKENS_MIN - 1, False), (MANY_TOKENS_MIN, True)])
def test_a_run_is_taken_by_the_form_for_as_many_tokens(
    both: Bundle, count: int, many: bool
) -> None:
    """A chunk of one page, and a step of so many pages."""
    assert both.decode_many is not None
    shape, graphs = both.manifest.model, (both.decode, both.decode_many)
    ours, few, of_many = both.decoder(count), *(SlotDecoder(g, shape, count) for g in graphs)
    for run in (
        lambda decoder: decoder.chunk(0, tokens(count)),
        lambda decoder: decoder.step(range(count), tokens(count)),
    ):
        found = run(ours)
        np.testing.assert_array_equal(found, run(of_many if many else few))
        assert not np.array_equal(found, run(few if many else of_many))
        for decoder in (ours, few, of_many):
            decoder.slots.begin(0)


def test_a_page_goes_from_one_form_to_the_other_and_back(both: Bundle) -> None:
    """They write the same caches, and what one has fed the other goes on from."""
    counts = (2 * MANY_TOKENS_MIN, 1, 3, MANY_TOKENS_MIN, 1)
    exact = SlotDecoder(both.decode, both.manifest.model, 1)
    mixed, drawn = both.decoder(1), tokens(sum(counts))
    expected = np.concatenate([exact.step([0], token_D[None]) for token_D in drawn])
    starts = np.cumsum((0, *counts))[:-1]
    parts = zip(starts, counts, strict=True)
    found = np.concatenate([mixed.chunk(0, drawn[start : start + n]) for start, n in parts])
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert 0.0 < error < INT8_ERROR_MAX


def test_a_bundle_without_it_serves_all_runs_with_the_other(bundle_path: Path) -> None:
    assert load_bundle(bundle_path, INT8).decode_many is None


def test_exact_weights_have_one_form(copy: Path) -> None:
    assert load_bundle(with_many_form(copy)).decode_many is None


def test_it_is_refused_like_any_graph(copy: Path) -> None:
    (copy / DECODE_INT8_MANY_FILE).write_bytes(b"no graph")
    broken = sealed_with(copy, DECODE_INT8_MANY_FILE)
    with pytest.raises(BundleError, match=r"decode_int8_many.onnx: onnxruntime refuses it"):
        load_bundle(broken, INT8)


def test_what_it_computes_is_compared_with_the_exact_form(copy: Path) -> None:
    """Processors without 8-bit products of their own add pairs up in 16 bits, which may overflow;
    here it is another model's."""
    exact = onnx.load(copy / DECODE_FILE)
    for tensor in exact.graph.initializer:
        if tensor.name == "to_wide_0":
            weights = onnx.numpy_helper.to_array(tensor) * np.float32(-1)
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights, tensor.name))
    (copy / DECODE_INT8_MANY_FILE).write_bytes(int8_many_form(exact.SerializeToString()))
    other = sealed_with(copy, DECODE_INT8_MANY_FILE)
    with pytest.raises(BundleError, match=r"decode_many.hidden_BSD is off by .* decode_weights"):
        load_bundle(other, INT8)
