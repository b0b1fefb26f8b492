from trainer.evaluation.factories_evaluation import Fixed, data_of, timeline, untold

from pagecast.trainer.evaluation.answering import answer, visible_counts
from pagecast.trainer.evaluation.protocols.splits import (
    LEAVE_ONE_OUT,
    PREQUENTIAL,
    TEMPORAL,
    plan_of,
)


def log_of(*last: tuple[str, str, float], protocol: str = PREQUENTIAL, delay_s: float = 0.0):
    system = Fixed()
    split = plan_of(protocol, timeline(*last), (delay_s,)).tests[delay_s]
    system.fit(split.part, untold)
    answer(system, split)
    return [(what, value if what == "shown" else value[-1:]) for what, value in system.log[1:]]


def test_what_was_predicted_is_revealed_before_the_next_request() -> None:
    assert log_of(("1", "x", 100), ("2", "y", 200)) == [
        ("asked", ["e16"]),
        ("shown", "x"),
        ("asked", ["e17"]),
    ]


def test_interactions_of_one_moment_are_not_shown_to_each_other() -> None:
    log = log_of(("1", "x", 100), ("2", "y", 100))
    assert log == [("asked", ["e16"]), ("asked", ["e17"])]


def test_a_late_system_is_shown_what_is_old_enough() -> None:
    log = log_of(("1", "x", 100), ("1", "y", 103), delay_s=5.0)
    assert log == [("asked", ["e16"]), ("asked", ["e16"])]
    log = log_of(("1", "x", 100), ("1", "y", 105), delay_s=5.0)
    assert log == [("asked", ["e16"]), ("shown", "x"), ("asked", ["x"])]


def test_nothing_is_revealed_where_histories_are_frozen() -> None:
    log = log_of(("1", "x", 100), ("1", "y", 200), protocol=TEMPORAL)
    assert log == [("asked", ["e16"]), ("asked", ["e16"])]


def retrained(*last: tuple[str, str, float], every: int, learns: bool = False):
    system = Fixed(learns=learns)
    split = plan_of(PREQUENTIAL, timeline(*last), retrain_every=every).test
    system.fit(split.part, untold)
    answer(system, split)
    return [(what, value) for what, value in system.log if what in ("fit", "retrained")]


def test_between_two_requests_a_system_may_learn_what_was_revealed() -> None:
    assert retrained(("1", "x", 100), ("2", "y", 200), every=1) == [("fit", 18), ("retrained", 19)]
    assert retrained(("1", "x", 100), ("2", "y", 200), every=2) == [("fit", 18)]


def test_what_learns_by_itself_is_not_retrained() -> None:
    assert retrained(("1", "x", 100), ("2", "y", 200), every=1, learns=True) == [("fit", 18)]


def test_nothing_is_learned_between_interactions_of_one_moment() -> None:
    assert retrained(("1", "x", 100), ("2", "y", 100), every=1) == [("fit", 18)]


def test_ranks_are_in_the_order_of_targets_however_requests_are_batched() -> None:
    data = data_of(
        *(("u1", "a", 7), ("u1", "b", 8), ("u1", "c", 9)),
        *(("u2", "b", 1), ("u2", "c", 2), ("u2", "d", 3)),
        catalog=("a", "b", "c", "d"),
    )
    split = plan_of(LEAVE_ONE_OUT, data).test
    targets = [data.entities[e] for e in data.entity_X[split.targets()]]
    assert targets == ["d", "c"], "the earlier request first"
    for learns in (True, False):
        system = Fixed([4.0, 3.0, 2.0, 1.0], learns=learns)
        system.fit(split.part, untold)
        found = answer(system, split)
        assert found.unmasked_T.tolist() == [4, 3]
        assert found.masked_T.tolist() == [2, 1]


def test_progress_ends_at_one() -> None:
    shares: list[float] = []
    split = plan_of(PREQUENTIAL, timeline(("1", "x", 100), ("2", "y", 200))).test
    system = Fixed()
    system.fit(split.part, untold)
    answer(system, split, shares.append)
    assert shares == [0.5, 1.0]


def test_visible_interactions_are_counted_by_target() -> None:
    split = plan_of(PREQUENTIAL, timeline(("1", "x", 100), ("1", "y", 100))).test
    assert visible_counts(split).tolist() == [9, 9]
