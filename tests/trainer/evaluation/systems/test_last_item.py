import math

import numpy as np
from trainer.evaluation.factories_evaluation import data_of, names, part_of, request_of, untold

from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.systems.last_item import LastItemCounter


def best(counter: LastItemCounter, data: Interactions, *history: str) -> list[str]:
    (score_N,) = counter.scores([request_of(data, *history)])
    return names(data, np.argsort(-score_N, kind="stable").tolist())


def world() -> Interactions:
    """After a: b twice, c once. d is the most popular."""
    return data_of(
        *(("1", "a", 1), ("1", "b", 2), ("2", "a", 3), ("2", "c", 4), ("3", "a", 5), ("3", "b", 6)),
        *((f"{n}", "d", n) for n in range(10, 15)),
    )


def test_what_followed_the_last_entity_most_often_is_best() -> None:
    counter = LastItemCounter(math.inf)
    data = world()
    counter.fit(part_of(data), untold)
    assert best(counter, data, "d", "a") == ["b", "c", "d", "a"]


def test_popularity_breaks_ties_and_never_beats_a_count() -> None:
    counter = LastItemCounter(math.inf)
    data = world()
    counter.fit(part_of(data), untold)
    (score_N,) = counter.scores([request_of(data, "a")])
    assert score_N[data.entities.index("c")] == 1.0 + 0.5 * 1 / 5
    assert score_N[data.entities.index("d")] == 0.5


def test_a_stranger_gets_what_is_popular() -> None:
    counter = LastItemCounter(math.inf)
    data = world()
    counter.fit(part_of(data), untold)
    assert best(counter, data)[:2] == ["d", "a"]


def test_what_is_revealed_follows_the_users_last_of_the_fit() -> None:
    data = data_of(("1", "a", 1), ("1", "b", 2), ("1", "c", 3))
    part = part_of(data)
    part.fit_X[1:] = False
    counter = LastItemCounter(math.inf)
    counter.fit(part, untold)
    counter.reveal(1)
    counter.reveal(2)
    (after_a_N, after_b_N) = counter.scores([request_of(data, "a"), request_of(data, "b")])
    assert after_a_N.argmax() == data.entities.index("b")
    assert after_b_N.argmax() == data.entities.index("c")
