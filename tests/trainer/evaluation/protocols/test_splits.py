import numpy as np
import pytest
from trainer.evaluation.factories_evaluation import data_of, names, rows_of, timeline

from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.protocols import splits
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.requests import Request, Split
from pagecast.trainer.evaluation.protocols.splits import PREQUENTIAL, TEMPORAL, plan_of

LEAVE_ONE_OUT = "leave-one-out"


def seen_and_asked(split: Split) -> list[tuple[str, list[str], list[str]]]:
    """User, history and targets of each request."""
    data = split.part.data

    def told(request: Request) -> tuple[str, list[str], list[str]]:
        targets = names(data, data.entity_X[list(request.targets)].tolist())
        user = data.users[request.user].user_id
        return user, names(data, request.history_H.tolist()), targets

    return [told(request) for request in split.requests]


def fitted(split: Split) -> list[str]:
    data = split.part.data
    return names(data, data.entity_X[split.part.interactions()].tolist())


def small() -> Interactions:
    return data_of(
        *(("u1", "a", 1), ("u1", "b", 2), ("u1", "c", 3), ("u1", "d", 4)),
        *(("u2", "b", 5), ("u2", "a", 6), ("u2", "c", 7)),
        *(("u3", "a", 8), ("u3", "b", 9)),
    )


def test_leave_one_out_predicts_the_last_from_all_before_it() -> None:
    plan = plan_of(LEAVE_ONE_OUT, small())
    assert seen_and_asked(plan.test) == [
        ("u1", ["a", "b", "c"], ["d"]),
        ("u2", ["b", "a"], ["c"]),
    ]
    assert seen_and_asked(plan.validation) == [("u1", ["a", "b"], ["c"]), ("u2", ["b"], ["a"])]


def test_leave_one_out_fits_on_all_but_the_last_two_of_every_user() -> None:
    plan = plan_of(LEAVE_ONE_OUT, small())
    assert fitted(plan.test) == ["a", "b", "b"]
    assert plan.validation.part is plan.test.part
    assert plan.test.part.steps_U.tolist() == [2, 1, 0]


def test_leave_one_out_goes_by_order_within_a_moment() -> None:
    plan = plan_of(LEAVE_ONE_OUT, data_of(("u", "c", 1), ("u", "a", 1), ("u", "b", 1)))
    assert seen_and_asked(plan.test) == [("u", ["c", "a"], ["b"])]
    assert plan.test.requests[0].visible == 2


def test_the_last_tenth_in_time_is_tested_and_a_tenth_of_the_rest_chooses() -> None:
    data = timeline(("1", "x", 100), ("2", "y", 200))
    plan = plan_of(PREQUENTIAL, data)
    assert rows_of(data, plan.test.targets().tolist()) == [("1", "x", 100), ("2", "y", 200)]
    assert sorted(fitted(plan.test)) == sorted(f"e{i}" for i in range(18))
    assert rows_of(data, plan.validation.targets().tolist()) == [("2", "e17", 18)]
    assert sorted(fitted(plan.validation)) == sorted(f"e{i}" for i in range(17))


def test_prequential_histories_grow_by_what_was_predicted() -> None:
    plan = plan_of(PREQUENTIAL, timeline(("1", "x", 100), ("1", "y", 200)))
    (_, before, _), (_, after, _) = seen_and_asked(plan.test)
    assert before[-1] == "e16"
    assert after[-2:] == ["e16", "x"]


def test_prequential_targets_of_one_moment_do_not_see_each_other() -> None:
    plan = plan_of(PREQUENTIAL, timeline(("1", "x", 100), ("1", "y", 100)))
    ((_, history, targets),) = seen_and_asked(plan.test)
    assert history[-1] == "e16"
    assert targets == ["x", "y"]


def test_a_stale_request_sees_up_to_the_delay_and_no_later() -> None:
    data = timeline(("1", "x", 100), ("1", "y", 103))
    plan = plan_of(PREQUENTIAL, data, (0.0, 3.0, 3.001, 90.0))
    last_seen = {d: seen_and_asked(split)[1][1][-1:] for d, split in plan.tests.items()}
    assert last_seen == {0.0: ["x"], 3.0: ["x"], 3.001: ["e16"], 90.0: ["e12"]}
    assert {split.requests[1].at_ms for split in plan.tests.values()} == {103_000}
    assert all(split.part is plan.test.part for split in plan.tests.values())


def test_temporal_histories_end_at_the_cut() -> None:
    plan = plan_of(TEMPORAL, timeline(("1", "x", 100), ("1", "y", 200)))
    histories = [history for _, history, _ in seen_and_asked(plan.test)]
    assert [history[-1] for history in histories] == ["e16", "e16"]
    assert len(plan.test.revealed_X) == 0


def test_a_stranger_has_an_empty_history() -> None:
    for protocol in (TEMPORAL, PREQUENTIAL):
        plan = plan_of(protocol, timeline(("1", "x", 100), ("stranger", "y", 200)))
        assert seen_and_asked(plan.test)[1] == ("stranger", [], ["y"])


def test_the_fit_has_no_step_after_the_cut() -> None:
    plan = plan_of(PREQUENTIAL, timeline(("1", "x", 100), ("stranger", "y", 200)))
    assert plan.test.part.steps_U.tolist() == [9, 9, 0]
    assert plan.validation.part.steps_U.tolist() == [9, 8, 0]


@pytest.mark.parametrize(
    ("protocol", "every", "message"),
    [
        (TEMPORAL, 1, "retrain-every: temporal has no revealed events to learn; take prequential"),
        (PREQUENTIAL, -1, "retrain-every: give a number of interactions, or 0 for never"),
    ],
)
def test_retraining_where_there_is_none_is_told(protocol: str, every: int, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        plan_of(protocol, timeline(("1", "x", 100), ("1", "y", 200)), retrain_every=every)


def test_too_many_retrainings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "RETRAININGS_MAX", 1)
    data = timeline(("1", "x", 100), ("1", "y", 200))
    with pytest.raises(
        EvaluationError, match=r"1 makes more than 1 retrainings .* give 2 at least"
    ):
        plan_of(PREQUENTIAL, data, retrain_every=1)


@pytest.mark.parametrize(
    ("protocol", "staleness_s", "message"),
    [
        ("weekly", (0.0,), "protocol: 'weekly' is not known; take one of leave-one-out"),
        (TEMPORAL, (0.0, 5.0), "staleness: temporal .* take prequential"),
        (PREQUENTIAL, (-1.0,), "staleness: give seconds of 0 and more"),
    ],
)
def test_what_cannot_be_asked_is_told(
    protocol: str, staleness_s: tuple[float, ...], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        plan_of(protocol, timeline(("1", "x", 100), ("1", "y", 200)), staleness_s)


def test_too_few_interactions_are_told() -> None:
    few = data_of(("u", "a", 1), ("u", "b", 2))
    with pytest.raises(EvaluationError, match="no user has 3 interactions"):
        plan_of(LEAVE_ONE_OUT, few)
    with pytest.raises(EvaluationError, match="2 interactions; prequential needs 20"):
        plan_of(PREQUENTIAL, few)


def test_every_interaction_is_fitted_on_or_predicted_once() -> None:
    for protocol in (TEMPORAL, PREQUENTIAL):
        split = plan_of(protocol, timeline(("1", "x", 100), ("2", "x", 100))).test
        both = np.concatenate([split.part.interactions(), split.targets()])
        assert sorted(both.tolist()) == list(range(20))
