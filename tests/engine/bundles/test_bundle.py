"""A bundle is loaded only if it is exactly what was published."""

import json
import shutil
from pathlib import Path
from random import Random

import numpy as np
import pytest
from engine.factories_engine import TinyModel, seal_bundle, sealed_with, vocabulary_of, write_bundle
from rules.factories_rules import entity, predicate_row, snapshot
from safetensors.numpy import load_file, save_file

from pagecast.engine.bundles.bundle import TOWER_TABLES_PREFIX, Bundle, load_bundle, serving_tensors
from pagecast.engine.bundles.checks import INT8_ERROR_MAX, relative_error
from pagecast.engine.bundles.files import MANIFEST_BYTES_MAX
from pagecast.engine.bundles.manifest import (
    BUNDLE_FILES,
    CANARY_FILE,
    CHECKPOINT_FILE,
    DECODE_FILE,
    DECODE_INT8_FILE,
    MANIFEST_FILE,
    SERVING_FILE,
    TOWER_FILE,
    VOCABULARY_FILE,
    DecodeWeights,
    Manifest,
    ModelShape,
)
from pagecast.engine.bundles.served_model import verify_served
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import EngineConfig
from pagecast.engine.providers import Provider
from pagecast.engine.vectors.embeddings import EntityTable
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.trainer.export.tables_apart import tables_apart

FILES = (MANIFEST_FILE, *BUNDLE_FILES)
FP32 = EngineConfig()
INT8 = EngineConfig(decode_weights=DecodeWeights.INT8)


def who_uses(name: str) -> EngineConfig:
    """What loads a bundle so that it needs this file."""
    return INT8 if name == DECODE_INT8_FILE else FP32


@pytest.fixture
def copy(bundle_path: Path, tmp_path: Path) -> Path:
    """A bundle that may be damaged."""
    return Path(shutil.copytree(bundle_path, tmp_path / "copy"))


def sealed_again(copy: Path, **shape: int) -> Path:
    """The damaged copy with a manifest that matches its files: only what they hold is wrong."""
    manifest = json.loads((copy / MANIFEST_FILE).read_bytes())
    return seal_bundle(copy, ModelShape(**(manifest["model"] | shape)))


def test_a_bundle_is_loaded_as_it_was_written(
    bundle: Bundle, bundle_path: Path, catalog: CatalogSnapshot
) -> None:
    assert bundle.version == bundle_path.name
    assert bundle.vocabulary == vocabulary_of(catalog)
    assert bundle.row_input_RD.shape == (len(catalog.rows) + 1, 16)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: cannot be read"):
        load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_truncated_file_is_refused(copy: Path, name: str, share: float) -> None:
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BundleError, match=name):
        load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_refused(copy: Path, name: str) -> None:
    data = (copy / name).read_bytes()
    for bit in Random(1).sample(range(8 * len(data)), 30):
        altered = bytearray(data)
        altered[bit // 8] ^= 1 << (bit % 8)
        (copy / name).write_bytes(altered)
        with pytest.raises(BundleError, match=name):
            load_bundle(copy, who_uses(name))
    (copy / name).write_bytes(data)
    load_bundle(copy, who_uses(name))


@pytest.mark.parametrize("name", BUNDLE_FILES)
def test_a_file_of_another_bundle_is_refused(
    copy: Path, name: str, catalog: CatalogSnapshot, tmp_path: Path
) -> None:
    larger = snapshot([*catalog.entities, entity("more", "Western")], catalog.rows)
    other = write_bundle(tmp_path / "other", vocabulary_of(larger), TinyModel(seed=1))
    shutil.copy(other / name, copy / name)
    with pytest.raises(BundleError, match=name):
        load_bundle(copy, who_uses(name))


def test_a_manifest_of_another_bundle_is_refused(
    copy: Path, catalog: CatalogSnapshot, tmp_path: Path
) -> None:
    other = write_bundle(tmp_path / "other", vocabulary_of(catalog), TinyModel(seed=1))
    shutil.copy(other / MANIFEST_FILE, copy / MANIFEST_FILE)
    with pytest.raises(BundleError, match=r"manifest says|altered"):
        load_bundle(copy)


def test_a_version_that_is_not_its_files_is_refused(copy: Path) -> None:
    manifest = Manifest.unseal((copy / MANIFEST_FILE).read_bytes())
    forged = manifest.model_copy(update={"version": "0" * 16})
    (copy / MANIFEST_FILE).write_bytes(forged.seal())
    with pytest.raises(BundleError, match="`version` is not that of its files"):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "notes.txt"])
def test_only_the_files_of_a_bundle_are_read(copy: Path, name: str) -> None:
    manifest = Manifest.unseal((copy / MANIFEST_FILE).read_bytes())
    files = manifest.files | {name: manifest.files[DECODE_FILE]}
    (copy / MANIFEST_FILE).write_bytes(manifest.model_copy(update={"files": files}).seal())
    with pytest.raises(BundleError, match="`files` must be"):
        load_bundle(copy)


def test_a_huge_manifest_is_not_read(copy: Path) -> None:
    (copy / MANIFEST_FILE).write_bytes(b" " * (MANIFEST_BYTES_MAX + 1))
    with pytest.raises(BundleError, match="at most 1048576 are read"):
        load_bundle(copy)


def test_a_vocabulary_larger_than_the_graphs_is_refused(
    copy: Path, catalog: CatalogSnapshot
) -> None:
    larger = snapshot([*catalog.entities, entity("more", "Comedy")], catalog.rows)
    (copy / VOCABULARY_FILE).write_text(vocabulary_of(larger).to_json())
    with pytest.raises(BundleError, match=r"vocabulary.json: of another model"):
        load_bundle(sealed_again(copy))


def test_a_vocabulary_of_other_genres_is_refused(copy: Path, catalog: CatalogSnapshot) -> None:
    western = snapshot([*catalog.entities[:-1], entity("e59", "Western")], catalog.rows)
    (copy / VOCABULARY_FILE).write_text(vocabulary_of(western).to_json())
    with pytest.raises(BundleError, match="genres_EG has shape"):
        load_bundle(sealed_again(copy))


def test_a_vocabulary_of_other_rows_is_refused(copy: Path, catalog: CatalogSnapshot) -> None:
    more = snapshot(catalog.entities, [*catalog.rows, predicate_row("more")])
    (copy / VOCABULARY_FILE).write_text(vocabulary_of(more).to_json())
    with pytest.raises(BundleError, match="row_input_RD has shape"):
        load_bundle(sealed_again(copy))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"entities": 1}', '{"entities": ["a"]}'])
def test_what_is_no_vocabulary_is_refused(copy: Path, text: str) -> None:
    (copy / VOCABULARY_FILE).write_text(text)
    with pytest.raises(BundleError, match="not a vocabulary"):
        load_bundle(sealed_again(copy))


@pytest.mark.parametrize(
    ("size", "value"),
    [("d_model", 32), ("output_dim", 8), ("layers", 3), ("kv_heads", 1), ("head_dim", 8)],
)
def test_graphs_of_another_shape_than_the_manifest_are_refused(
    copy: Path, size: str, value: int
) -> None:
    with pytest.raises(BundleError, match=r"has shape|inputs are"):
        load_bundle(sealed_again(copy, **{size: value}))


def test_graphs_in_each_others_place_are_refused(copy: Path) -> None:
    shutil.copy(copy / DECODE_FILE, copy / TOWER_FILE)
    with pytest.raises(BundleError, match=r"entity_tower.onnx: inputs are"):
        load_bundle(sealed_again(copy))


def test_a_file_that_is_no_graph_is_refused(copy: Path) -> None:
    (copy / DECODE_FILE).write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"decode.onnx: onnxruntime refuses it"):
        load_bundle(sealed_again(copy))


@pytest.mark.parametrize(
    "tensor", ["tower.output_ED", "prompt.tokens_BTD", "decode.new_values_1_BHCK"]
)
def test_graphs_that_compute_otherwise_than_recorded_are_refused(copy: Path, tensor: str) -> None:
    canary = load_file(copy / CANARY_FILE)
    canary[tensor][0] += 0.01
    save_file(canary, copy / CANARY_FILE)
    with pytest.raises(BundleError, match=f"{tensor} comes out otherwise"):
        load_bundle(sealed_again(copy))


def test_only_the_form_that_is_served_is_loaded(copy: Path) -> None:
    (copy / DECODE_INT8_FILE).write_bytes(b"no graph")
    broken = sealed_again(copy)
    load_bundle(broken)
    with pytest.raises(BundleError, match=r"decode_int8.onnx: onnxruntime refuses it"):
        load_bundle(broken, INT8)


def with_serving_file(copy: Path) -> Path:
    """As bundles are written: what servers need of the checkpoint stands by itself."""
    checkpoint = load_file(copy / CHECKPOINT_FILE)
    checkpoint["a_layer"] = np.ones((2, 2), np.float32)
    save_file(checkpoint, copy / CHECKPOINT_FILE)
    save_file(serving_tensors(checkpoint), copy / SERVING_FILE)
    return sealed_with(copy, SERVING_FILE)


@pytest.mark.parametrize(
    ("config", "spared"), [(FP32, DECODE_INT8_FILE), (INT8, DECODE_FILE), (FP32, CHECKPOINT_FILE)]
)
def test_what_is_not_used_is_not_read_but_must_be_there_and_of_its_size(
    copy: Path, config: EngineConfig, spared: str
) -> None:
    whole = with_serving_file(copy)
    data = (whole / spared).read_bytes()
    (whole / spared).write_bytes(bytes(len(data)))
    load_bundle(whole, config)
    with pytest.raises(BundleError, match=f"{spared}: altered"):
        verify_served(whole)
    (whole / spared).write_bytes(data[:-1])
    with pytest.raises(BundleError, match=f"{spared}: {len(data) - 1} bytes, the manifest says"):
        load_bundle(whole, config)
    (whole / spared).unlink()
    with pytest.raises(BundleError, match=f"{spared}: cannot be read"):
        load_bundle(whole, config)


def test_rows_are_the_same_from_the_checkpoint_and_by_themselves(copy: Path) -> None:
    of_checkpoint = load_bundle(copy)
    by_themselves = load_bundle(with_serving_file(copy))
    np.testing.assert_array_equal(by_themselves.row_input_RD, of_checkpoint.row_input_RD)
    np.testing.assert_array_equal(by_themselves.row_output_RD, of_checkpoint.row_output_RD)


def with_tables_apart(copy: Path) -> Path:
    """As `with_serving_file`, and the tower's tables stand there, too."""
    others = serving_tensors(load_file(copy / CHECKPOINT_FILE))
    tower = (copy / TOWER_FILE).read_bytes()
    apart, contents = tables_apart(tower, TOWER_TABLES_PREFIX, others, bytes_min=1)
    assert len(apart) < len(tower)
    (copy / TOWER_FILE).write_bytes(apart)
    (copy / SERVING_FILE).write_bytes(contents)
    return sealed_with(copy, SERVING_FILE)


def test_a_tower_computes_the_same_from_tables_apart(
    copy: Path, bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    apart, whole = (
        EntityTable(each, catalog) for each in (load_bundle(with_tables_apart(copy)), bundle)
    )
    np.testing.assert_array_equal(apart.input_ND, whole.input_ND)
    np.testing.assert_array_equal(apart.output_ND, whole.output_ND)


def test_a_tower_whose_tables_are_not_there_is_refused(copy: Path) -> None:
    apart = with_tables_apart(copy)
    served = load_file(apart / SERVING_FILE)
    save_file(serving_tensors(served), apart / SERVING_FILE)
    with pytest.raises(BundleError, match=f"{TOWER_FILE}: onnxruntime refuses it"):
        load_bundle(sealed_with(apart, SERVING_FILE))


@pytest.mark.parametrize("damage", [b"\x80\x04pickle", b""])
def test_rows_that_stand_by_themselves_are_refused_by_their_file(copy: Path, damage: bytes) -> None:
    (with_them := with_serving_file(copy)).joinpath(SERVING_FILE).write_bytes(damage)
    with pytest.raises(BundleError, match=f"{SERVING_FILE}: not safetensors"):
        load_bundle(sealed_with(with_them, SERVING_FILE))


def test_verifying_reads_every_byte(bundle_path: Path) -> None:
    assert verify_served(bundle_path) == sum(
        (bundle_path / name).stat().st_size for name in BUNDLE_FILES
    )


def test_weights_that_do_not_bear_8_bits_are_refused_and_served_exactly(copy: Path) -> None:
    """What the rounded form gives is compared with what the exact one gave."""
    canary = load_file(copy / CANARY_FILE)
    canary["decode.hidden_BSD"] *= 1 + 2 * INT8_ERROR_MAX
    save_file(canary, copy / CANARY_FILE)
    with pytest.raises(BundleError, match=r"decode.hidden_BSD is off by 0.1.* decode_weights fp32"):
        load_bundle(sealed_again(copy), INT8)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_an_error_that_is_no_number_is_infinite(broken: float) -> None:
    one = np.ones(3, np.float32)
    assert relative_error(one * broken, one) == np.inf
    assert relative_error(one, np.zeros(3, np.float32)) > INT8_ERROR_MAX
    assert relative_error(one * 1.5, one) == pytest.approx(0.5)


def test_a_canary_without_a_tensor_is_refused(copy: Path) -> None:
    canary = load_file(copy / CANARY_FILE)
    del canary["decode.hidden_BSD"]
    save_file(canary, copy / CANARY_FILE)
    with pytest.raises(BundleError, match=r"no tensor 'decode.hidden_BSD'"):
        load_bundle(sealed_again(copy))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_that_are_no_numbers_are_refused(copy: Path, value: float) -> None:
    checkpoint = load_file(copy / CHECKPOINT_FILE)
    checkpoint["row_output_RD"][2, 3] = value
    save_file(checkpoint, copy / CHECKPOINT_FILE)
    with pytest.raises(BundleError, match="row_output_RD must be finite float32"):
        load_bundle(sealed_again(copy))


@pytest.mark.parametrize("name", [CHECKPOINT_FILE, CANARY_FILE])
def test_what_is_no_safetensors_is_refused(copy: Path, name: str) -> None:
    (copy / name).write_bytes(b"\x80\x04pickle")
    with pytest.raises(BundleError, match=f"{name}: not safetensors"):
        load_bundle(sealed_again(copy))


def test_a_provider_that_is_not_there_is_refused_with_the_remedy(bundle_path: Path) -> None:
    config = EngineConfig(provider=Provider.CUDA)
    with pytest.raises(BundleError, match="no CUDAExecutionProvider here: install onnxruntime-gpu"):
        load_bundle(bundle_path, config)
