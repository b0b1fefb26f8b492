import pytest
from trainer.evaluation.factories_evaluation import data_of, part_of, request_of, untold

from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.systems.co_occurrence import CoOccurrence
from pagecast.trainer.evaluation.systems.item_knn import ItemKnn


def world() -> Interactions:
    """a has 2 users, b 3, c 1; both of a and b 2, of b and c 1."""
    return data_of(
        *(("1", "a", 1), ("1", "b", 2), ("2", "b", 1), ("2", "a", 2), ("3", "b", 1), ("3", "c", 2)),
    )


def scores(neighbours: int, shrinkage: float, *history: str) -> list[float]:
    data = world()
    knn = ItemKnn(CoOccurrence(), neighbours=neighbours, shrinkage=shrinkage)
    knn.fit(part_of(data), untold)
    (score_N,) = knn.scores([request_of(data, *history)])
    return score_N.tolist()


def test_entities_score_the_cosine_of_their_users() -> None:
    cosine_ab, cosine_bc = 2 / (2 * 3) ** 0.5, 1 / 3**0.5
    assert scores(10, 0.0, "b") == pytest.approx([cosine_ab, 0.0, cosine_bc])
    assert scores(10, 0.0, "a", "c") == pytest.approx([0.0, cosine_ab + cosine_bc, 0.0])


def test_shrinkage_is_added_to_the_divisor() -> None:
    assert scores(10, 5.0, "b")[0] == pytest.approx(2 / (6**0.5 + 5.0))


def test_only_the_nearest_neighbours_of_an_entity_score_it() -> None:
    cosine_ab = 2 / (2 * 3) ** 0.5
    assert scores(1, 0.0, "a", "c")[1] == pytest.approx(cosine_ab), "c is b's second"
