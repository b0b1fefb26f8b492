"""Ways to say an entity, compared on the same targets wherever there is a figure."""

import pytest

from pagecast.cli.bench.align.ids import (
    ENTITIES,
    MERGED,
    SPELLED,
    id_cells,
    ids_differences,
    ids_rows,
)
from pagecast.trainer.benchmarks.cells import Cell, Figures


def asked(gain: float, *, exported: bool = True) -> Figures:
    served = {"served_bytes": 2e6, "page_cpu_ms": 9.0, "rules_kept": 1.0} if exported else {}
    return {
        "known_T": [gain, 0.0, gain, 0.0],
        "known_user_T": [0.0, 0.0, 1.0, 2.0],
        "cold_T": [gain / 2, 0.0],
        "cold_user_T": [0.0, 1.0],
        "among_known_T": [gain, gain, gain, 0.0],
        "among_cold_T": [gain, gain],
        "positions": 50.0,
        "weight_bytes": 1e6,
        "cpu_seconds": 1.0,
        **served,
    }


def measured() -> list[tuple[Cell, Figures]]:
    cells = id_cells([0, 1], 1.0, quick=False)
    gain = {ENTITIES: 1.0, MERGED: 0.4, SPELLED: 0.5}
    return [
        (cell, asked(gain[cell.name] + 0.1 * cell.seed, exported=cell.name != SPELLED))
        for cell in cells
    ]


def test_rows_are_means_of_seeds() -> None:
    rows = {row.name: row for row in ids_rows(measured())}
    assert list(rows) == [ENTITIES, MERGED, SPELLED]
    assert rows[ENTITIES].known == pytest.approx(1.05 / 2)
    assert rows[MERGED].cold == pytest.approx(0.45 / 4)
    assert rows[MERGED].among_known == pytest.approx(0.45 * 3 / 4)
    assert rows[MERGED].page_cpu_ms == 9.0
    assert rows[ENTITIES].hallucination_rate is None


def test_what_is_not_exported_serves_no_page() -> None:
    (spelled,) = (row for row in ids_rows(measured()) if row.name == SPELLED)
    assert (spelled.served_bytes, spelled.page_cpu_ms, spelled.rules_kept) == (None, None, None)


def test_differences_are_of_the_same_targets() -> None:
    found = {(one.name, one.beside, one.what): one for one in ids_differences(measured())}
    assert {(name, beside) for name, beside, _ in found} == {
        (MERGED, ENTITIES),
        (MERGED, SPELLED),
        (SPELLED, ENTITIES),
    }
    merger = found[MERGED, SPELLED, "known"].difference
    assert merger.mean == pytest.approx(-0.05)
    assert merger.interval.low <= merger.mean <= merger.interval.high
    assert found[MERGED, SPELLED, "known alone"].difference.mean == pytest.approx(-0.075)
