from trainer.evaluation.factories_evaluation import data_of, timeline

from pagecast.trainer.evaluation.protocols.slices import slices
from pagecast.trainer.evaluation.protocols.splits import LEAVE_ONE_OUT, PREQUENTIAL, plan_of


def test_new_users_and_new_entities_have_no_interaction_in_the_fit() -> None:
    found = slices(plan_of(PREQUENTIAL, timeline(("1", "new", 100), ("stranger", "e3", 200))).test)
    assert found["new users"].tolist() == [False, True]
    assert found["new entities"].tolist() == [True, False]


def test_histories_are_short_up_to_twenty_interactions() -> None:
    twenty = [("1", f"e{i}", i) for i in range(21)]
    longer = [("2", f"e{i}", i + 100) for i in range(22)]
    found = slices(plan_of(LEAVE_ONE_OUT, data_of(*twenty, *longer)).test)
    assert found["histories up to 20"].tolist() == [True, False]
    assert found["histories above 20"].tolist() == [False, True]


def test_a_device_has_a_slice() -> None:
    found = slices(plan_of(PREQUENTIAL, timeline(("1", "x", 100), ("1", "y", 200))).test)
    assert found["device tv"].all()
