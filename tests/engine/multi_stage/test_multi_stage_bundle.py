"""A baseline's bundle: loaded only if it is exactly what was published, and never as a model."""

from pathlib import Path

import numpy as np
import pytest
from engine.multi_stage.factories_multi_stage import tables_of, write_multi_stage

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.served_model import load_served
from pagecast.engine.errors import BundleError
from pagecast.engine.multi_stage.bundle import MultiStageBundle
from pagecast.engine.multi_stage.manifest import TABLES_FILE

TABLES = tables_of(["a", "b"], together={("a", "b"): 0.5}, counts={"b": 2.0})


def test_what_was_published_is_what_is_loaded(tmp_path: Path) -> None:
    folder = write_multi_stage(tmp_path, TABLES)
    loaded = load_served(folder)
    assert isinstance(loaded, MultiStageBundle)
    assert (loaded.version, loaded.tables.entity_ids) == (folder.name, ("a", "b"))
    for name in ("weight_CC", "count_C", "entity_ranker_F", "row_ranker_G"):
        np.testing.assert_array_equal(getattr(loaded.tables, name), getattr(TABLES, name))


def test_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    folder = write_multi_stage(tmp_path, TABLES)
    data = bytearray((folder / TABLES_FILE).read_bytes())
    data[-1] ^= 1
    (folder / TABLES_FILE).write_bytes(data)
    with pytest.raises(BundleError, match=r"tables\.safetensors: altered"):
        load_served(folder)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"count_C": np.zeros(3, np.float32)}, "`count_C` must be float32 of shape"),
        ({"weight_CC": np.full((2, 2), np.nan, np.float32)}, "`weight_CC` holds a value"),
        ({"history_half": 0.0}, "`history_half_1` must be above 0"),
    ],
)
def test_tables_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, changed: dict[str, object], told: str
) -> None:
    unfit = type(TABLES)(**{**vars(TABLES), **changed})  # type: ignore[arg-type]
    with pytest.raises(BundleError, match=told):
        load_served(write_multi_stage(tmp_path, unfit))


def test_it_is_no_generative_model(tmp_path: Path) -> None:
    folder = write_multi_stage(tmp_path, TABLES)
    with pytest.raises(BundleError, match="a multi-stage bundle has no generative model in it"):
        load_bundle(folder)
