import numpy as np
import pytest
from trainer.evaluation.factories_evaluation import data_of, part_of, request_of

from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.systems import co_occurrence
from pagecast.trainer.evaluation.systems.co_occurrence import CoOccurrence


def world() -> Interactions:
    """Two users chose a and b, one b and c; nobody d. Someone chose a twice."""
    return data_of(
        *(("1", "a", 1), ("1", "b", 2), ("1", "a", 3)),
        *(("2", "b", 1), ("2", "a", 2)),
        *(("3", "b", 1), ("3", "c", 2)),
        catalog=("a", "b", "c", "d"),
    )


def test_users_of_both_are_counted_once_each() -> None:
    counted = CoOccurrence()
    counted.fit(part_of(world()))
    assert counted.entity_C.tolist() == [0, 1, 2]
    assert counted.together_CC.tolist() == [[2, 2, 0], [2, 3, 1], [0, 1, 1]]


def test_users_that_do_not_fit_at_once_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(co_occurrence, "USERS_TOGETHER", 2)
    counted = CoOccurrence()
    counted.fit(part_of(world()))
    assert counted.together_CC.tolist() == [[2, 2, 0], [2, 3, 1], [0, 1, 1]]


def test_a_part_is_counted_once() -> None:
    counted, part = CoOccurrence(), part_of(world())
    assert counted.fit(part)
    assert not counted.fit(part)
    assert counted.fit(part_of(world()))


def test_recent_history_weighs_more_and_the_newest_of_two_stays() -> None:
    counted, data = CoOccurrence(), world()
    counted.fit(part_of(data))
    requests = [request_of(data, "a", "b"), request_of(data, "a", "b", "a")]
    score_QN = counted.scores(requests, np.eye(3), half=1.0)
    assert score_QN.tolist() == [[0.5, 1.0, 0.0, 0.0], [1.0, 0.5, 0.0, 0.0]]


def test_a_binary_history_weighs_alike() -> None:
    counted, data = CoOccurrence(), world()
    counted.fit(part_of(data))
    score_QN = counted.scores([request_of(data, "a", "b", "a")], np.eye(3))
    assert score_QN.tolist() == [[1.0, 1.0, 0.0, 0.0]]


def test_who_is_not_known_gets_recent_popularity() -> None:
    counted, data = CoOccurrence(), world()
    counted.fit(part_of(data))
    score_QN = counted.scores([request_of(data), request_of(data, "d")], np.eye(3))
    assert score_QN == pytest.approx(np.array([[3.0, 3.0, 1.0, 0.0]] * 2), abs=1e-4)


def test_too_many_entities_are_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(co_occurrence, "ENTITIES_MAX", 2)
    with pytest.raises(EvaluationError, match=r"systems: 3 entities .* leave them out"):
        CoOccurrence().fit(part_of(world()))
