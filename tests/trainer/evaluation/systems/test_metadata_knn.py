"""Entities of two genres: a history of one genre wants more of it."""

from dataclasses import replace

import numpy as np
import pytest
from trainer.evaluation.factories_evaluation import data_of, part_of, request_of, untold

from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.systems.metadata_knn import MetadataKnn
from pagecast.trainer.evaluation.systems.metadata_vectors import GENRES, metadata_vectors

NAMES = ("c0", "c1", "d0", "d1")


@pytest.fixture
def data() -> Interactions:
    found = data_of(("u", "d0", 1), ("u", "d1", 2), ("v", "x", 3), catalog=NAMES)
    entities = [
        replace(e, genres=("Comedy" if e.entity_id[0] == "c" else "Drama",))
        for e in found.catalog.entities
    ]
    return replace(found, catalog=replace(found.catalog, entities=tuple(entities)))


def scores(data: Interactions, *history: str, half: float = 2.0) -> dict[str, float]:
    system = MetadataKnn(half=half, year_weight=1.0)
    system.fit(part_of(data), untold)
    (score_N,) = system.scores([request_of(data, *history)])
    return dict(zip(data.entities, score_N.tolist(), strict=True))


def test_what_nobody_chose_ranks_where_its_metadata_says(data: Interactions) -> None:
    found = scores(data, "c0")
    assert found["c1"] > found["d0"] == found["d1"]


def test_the_newest_weighs_most(data: Interactions) -> None:
    assert scores(data, "c0", "d0", half=1.0)["d1"] > scores(data, "c0", "d0", half=1.0)["c1"]


def test_a_stranger_is_like_everyone(data: Interactions) -> None:
    assert scores(data)["d0"] > scores(data)["c0"]


def test_what_the_catalog_lacks_cannot_be_scored(data: Interactions) -> None:
    assert scores(data, "c0")["x"] == -np.inf
    assert scores(data, "x") == scores(data)


def test_a_weight_scales_a_blocks_part_of_the_product(data: Interactions) -> None:
    one_EC, four_EC = (metadata_vectors(data.catalog, {GENRES: w}) for w in (1.0, 4.0))
    assert four_EC @ four_EC.T == pytest.approx(4.0 * (one_EC @ one_EC.T))
