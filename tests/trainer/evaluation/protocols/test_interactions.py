import hashlib

import pytest
from factories import START_MS, play, rate
from trainer.evaluation.factories_evaluation import catalog_of, data_of, rows_of
from trainer.factories_trainer import logged, replayed

from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.protocols.interactions import interactions_of


def test_they_are_ordered_by_user_then_time_then_log() -> None:
    data = data_of(("b", "x", 5), ("a", "z", 9), ("b", "w", 7), ("a", "y", 9), ("a", "v", 12))
    assert rows_of(data, range(len(data))) == [
        ("a", "z", 9),
        ("a", "y", 9),
        ("a", "v", 12),
        ("b", "x", 5),
        ("b", "w", 7),
    ]


def test_users_are_integers_if_all_are_decimal_else_text() -> None:
    decimal = data_of(("10", "x", 1), ("9", "x", 1))
    assert [user.user_id for user in decimal.users] == ["9", "10"]
    text = data_of(("10", "x", 1), ("9", "x", 1), ("u", "x", 1))
    assert [user.user_id for user in text.users] == ["10", "9", "u"]


def test_in_time_order_ties_stand_by_user() -> None:
    data = data_of(("2", "x", 5), ("1", "y", 5), ("1", "z", 4))
    assert rows_of(data, data.in_time_order().tolist()) == [
        ("1", "z", 4),
        ("1", "y", 5),
        ("2", "x", 5),
    ]


def test_a_play_and_its_rate_are_one_interaction() -> None:
    events = [play("u", "x", START_MS), rate("u", "x", 4.0, START_MS)]
    data = interactions_of(replayed(logged(events)), catalog_of("x"))
    assert len(data) == 1


def test_entities_are_the_catalogs_then_those_only_the_steps_name() -> None:
    data = data_of(("u", "late", 1), ("u", "b", 2), catalog=("a", "b"))
    assert data.entities == ("a", "b", "late")
    assert data.entity_X.tolist() == [2, 1]


def test_the_digest_is_of_user_entity_and_seconds() -> None:
    data = data_of(("2", "ml-7", 3), ("1", "ml-5", 880_000_000), ("1", "ml-6", 880_000_001.25))
    text = "1,5,880000000\n1,6,880000001.250\n2,7,3\n"
    assert data.split_sha256("ml-") == hashlib.sha256(text.encode()).hexdigest()
    assert data.split_sha256() != data.split_sha256("ml-")


def test_no_interaction_is_an_error_with_a_remedy() -> None:
    with pytest.raises(EvaluationError, match="data: no interaction in it; give events"):
        interactions_of([], catalog_of("a"))


def test_devices_are_of_the_steps() -> None:
    assert data_of(("u", "x", 1), ("u", "y", 2)).devices() == ("tv", "tv")
