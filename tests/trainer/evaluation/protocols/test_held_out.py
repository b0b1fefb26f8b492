import numpy as np
from factories import play
from trainer.factories_trainer import logged, replayed

from pagecast.featurestore.history.history import Total
from pagecast.trainer.data.replay import LeftBehind, UserSteps
from pagecast.trainer.evaluation.protocols.held_out import keep_steps


def user(*entities: str) -> UserSteps:
    (found,) = replayed(logged([play("u", e, 1000 * i) for i, e in enumerate(entities)]))
    return found


def test_what_is_kept_is_as_if_the_rest_had_never_been() -> None:
    kept = keep_steps(user("a", "x", "b", "x", "c"), np.array([1, 0, 1, 0, 1], np.bool_))
    assert kept.steps == tuple(s for s in user("a", "x", "b", "x", "c").steps if s.entity_id != "x")
    assert kept.cut_N.tolist() == [True] * 3
    assert len(kept.first_N) == len(kept.new_N) == 3


def test_a_window_begins_with_the_first_kept_step_that_was_in_it() -> None:
    whole = user("a", "x", "b", "c")
    whole.first_N[:] = [0, 0, 1, 2]
    left = LeftBehind({"a": Total(1), "x": Total(1)}, {"row": Total(2)})
    whole.left_behind[2] = left  # type: ignore[index]
    kept = keep_steps(whole, np.array([1, 0, 1, 1], np.bool_))
    assert kept.first_N.tolist() == [0, 1, 1]
    assert kept.left_behind == {1: LeftBehind({"a": Total(1)}, {"row": Total(2)})}


def test_of_everything_nothing_changes() -> None:
    whole = user("a", "b")
    assert keep_steps(whole, np.ones(2, np.bool_)) is whole
