"""Drift is what anyone who kept the previous embeddings notices."""

import numpy as np
import pytest

from pagecast.engine.graph import FloatArray
from pagecast.trainer.export.drift import QUERIES_MAX, QUERIES_TOGETHER, mean_cosine, moved


def table(rows: int, width: int = 8, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def test_what_did_not_move_keeps_everything() -> None:
    found = moved(3.0 * table(50), table(50))
    assert found.cosine == pytest.approx(1.0)
    assert (found.neighbours, found.own_neighbours) == (1.0, 1.0)


def test_what_only_turned_keeps_its_own_neighbours_and_no_others() -> None:
    """Nobody who has an index of before finds anything in it."""
    turn = np.linalg.qr(table(8, seed=1))[0]
    found = moved(table(200) @ turn, table(200))
    assert abs(found.cosine) < 0.5
    assert found.neighbours < 0.5
    assert found.own_neighbours > 0.99


def test_an_entity_is_not_its_own_neighbour() -> None:
    """Two of three entities are neighbours of each other, with both of the other two kept."""
    assert moved(table(3), table(3)).neighbours == 1.0
    axes = np.eye(2, dtype=np.float32)
    assert moved(axes, axes).neighbours == 1.0


def test_large_catalogs_are_sampled() -> None:
    rows = QUERIES_MAX + QUERIES_TOGETHER + 1
    assert moved(table(rows, 2), table(rows, 2)).own_neighbours == 1.0


def test_no_direction_is_no_likeness() -> None:
    assert mean_cosine(np.zeros((2, 3), np.float32), table(2, 3)) == 0.0
