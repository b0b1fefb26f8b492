import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.checks import INT8_ERROR_MAX
from pagecast.engine.bundles.manifest import (
    BUNDLE_FILES,
    CANARY_FILE,
    CHECKPOINT_FILE,
    DECODE_INT8_MANY_FILE,
    EMBEDDINGS_FILE,
    MANIFEST_FILE,
    SERVING_FILE,
    STABILISATION_FILE,
    DecodeWeights,
    FileDigest,
    Manifest,
    bundle_version,
)
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import EngineConfig
from pagecast.engine.vectors.embeddings import EntityTable
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.export.bundle import load_model, publish
from pagecast.trainer.job import Trained, TrainOutcome

Outcome = tuple[TrainOutcome, list[str], StatePaths]

FILES = (
    *BUNDLE_FILES,
    STABILISATION_FILE,
    EMBEDDINGS_FILE,
    SERVING_FILE,
    DECODE_INT8_MANY_FILE,
)


def test_a_bundle_holds_what_its_manifest_says(outcome: Outcome) -> None:
    folder = outcome[0].bundle
    manifest = Manifest.unseal((folder / MANIFEST_FILE).read_bytes())
    assert {path.name for path in folder.iterdir()} == {MANIFEST_FILE, *FILES}
    digests = {name: FileDigest.of((folder / name).read_bytes()) for name in FILES}
    assert digests == manifest.files
    assert manifest.version == bundle_version(digests) == folder.name


def test_the_engine_loads_the_bundle(outcome: Outcome) -> None:
    """Loading checks digests, shapes and the canary."""
    assert load_bundle(outcome[0].bundle).version == outcome[0].version


def test_the_engine_loads_it_with_8_bit_weights(outcome: Outcome) -> None:
    """They come out otherwise than the exact ones, by less than is refused."""
    bundle = load_bundle(outcome[0].bundle, EngineConfig(decode_weights=DecodeWeights.INT8))
    assert bundle.decode_many is not None
    for form in ("decode_int8", "decode_int8_many"):
        assert 0.0 < bundle.manifest.metrics[f"{form}_error"] < INT8_ERROR_MAX


def test_servers_find_the_checkpoint_s_rows_by_themselves(outcome: Outcome) -> None:
    served = load_file(outcome[0].bundle / SERVING_FILE)
    checkpoint = load_file(outcome[0].bundle / CHECKPOINT_FILE)
    assert set(served) == {"row_input_RD", "row_output_RD"}
    for name, table_RD in served.items():
        np.testing.assert_array_equal(table_RD, checkpoint[name])


def test_it_brings_the_embeddings_a_server_would_make(outcome: Outcome, trained: Trained) -> None:
    """Bit for bit, so that a page is the same whoever embedded its entities."""
    with_them, without = load_bundle(outcome[0].bundle), load_bundle(outcome[0].bundle)
    assert without.ready.take() is not None
    ready, made = (EntityTable(each, trained.catalog) for each in (with_them, without))
    np.testing.assert_array_equal(ready.input_ND, made.input_ND)
    np.testing.assert_array_equal(ready.output_ND, made.output_ND)


def test_row_tables_are_read_by_name(outcome: Outcome, trained: Trained) -> None:
    weights = load_file(outcome[0].bundle / CHECKPOINT_FILE)
    rows = len(trained.vocabulary.rows) + 1
    for name in ("row_input_RD", "row_output_RD"):
        assert weights[name].shape == (rows, trained.config.model.d_model)
        np.testing.assert_array_equal(weights[name], getattr(trained.model, name).detach().numpy())


def test_the_canary_names_inputs_and_outputs_of_every_graph(outcome: Outcome) -> None:
    names = set(load_file(outcome[0].bundle / CANARY_FILE))
    assert {"tower.id_E", "tower.age_EA", "tower.input_ED", "tower.output_ED"} <= names
    assert {"prompt.fields_BTF", "prompt.tokens_BTD"} <= names
    assert {"decode.values_0_BHCK", "decode.hidden_BSD", "decode.new_values_0_BHCK"} <= names


def test_no_file_names_the_machine_it_was_made_on(outcome: Outcome) -> None:
    source = str(Path(__file__).parents[3]).encode()
    for name in FILES:
        assert source not in (outcome[0].bundle / name).read_bytes()


class Interrupted(Mapping[str, bytes]):
    """Files of a bundle of which only the first can be had before Ctrl-C."""

    def __getitem__(self, name: str) -> bytes:
        if name == "b":
            raise KeyboardInterrupt
        return b"contents"

    def __iter__(self) -> Iterator[str]:
        return iter(("a", "b"))

    def __len__(self) -> int:
        return 2


def test_an_interrupted_publication_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path / "version", Interrupted())
    assert list(tmp_path.iterdir()) == []


def test_a_published_bundle_is_never_written_again(tmp_path: Path) -> None:
    publish(tmp_path / "version", {"a": b"first"})
    publish(tmp_path / "version", {"a": b"second"})
    assert (tmp_path / "version" / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["version"]


@pytest.mark.parametrize("name", FILES)
def test_no_weight_is_taken_from_a_bundle_that_was_altered(
    outcome: Outcome, tmp_path: Path, name: str
) -> None:
    copy = shutil.copytree(outcome[0].bundle, tmp_path / "copy")
    data = bytearray((copy / name).read_bytes())
    data[-1] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"{name}: altered"):
        load_model(copy)
