import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.trainings.orders import (
    AnyRequest,
    OrderError,
    Promoting,
    TrainingKind,
    TrainingOrder,
    order_of,
)
from pagecast.v1 import training_pb2

ORDERS = st.builds(
    TrainingOrder,
    hold_out=st.floats(0.0, 0.9),
    until_ms=st.none() | st.integers(1, 2**45),
    budget_minutes=st.none() | st.floats(0.01, 10_000.0),
    budget_steps=st.none() | st.integers(1, 10**8),
    profile=st.sampled_from(["", "tiny", "small"]),
    promoting=st.sampled_from(Promoting),
    beside=st.booleans(),
)


@given(ORDERS)
def test_an_order_is_kept_as_it_was_given(order: TrainingOrder) -> None:
    assert TrainingOrder.from_json(order.to_json()) == order


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"hold_out": 1.0}, "hold_out: is 1.0, must be 0 to 0.9"),
        ({"hold_out": float("nan")}, "hold_out: is nan"),
        ({"until_ms": 0}, "until: must be a moment after 1970"),
        ({"budget_minutes": 0.0}, "budget_minutes: is 0.0, must be above 0"),
        ({"budget_steps": 0}, "budget_steps: is 0, must be 1 to"),
        ({"base_version": "v1"}, "base_version: .* leave it empty"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_with_field_and_remedy(
    wrong: dict[str, object], told: str
) -> None:
    with pytest.raises(OrderError, match=told):
        TrainingOrder(**wrong)  # type: ignore[arg-type]


DOORS = [training_pb2.StartTrainingRequest, training_pb2.TrainingRequested]


@pytest.mark.parametrize("door", DOORS)
def test_either_door_is_told_what_to_train_alike(
    door: type[AnyRequest],
) -> None:
    assert order_of(door()) == TrainingOrder()
    request = door(
        kind=training_pb2.TRAINING_KIND_INCREMENTAL,
        base_version="v7",
        until={"seconds": 5},
        budget_minutes=2.5,
        budget_steps=50,
        profile="small",
        promotion=training_pb2.TRAINING_PROMOTION_NEVER,
        beside=True,
    )
    assert order_of(request) == TrainingOrder(
        kind=TrainingKind.INCREMENTAL,
        base_version="v7",
        until_ms=5000,
        budget_minutes=2.5,
        budget_steps=50,
        profile="small",
        promoting=Promoting.NEVER,
        beside=True,
    )


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("seconds", [10**12, -(10**12), 0])
def test_a_moment_that_is_none_is_refused(door: type[AnyRequest], seconds: int) -> None:
    with pytest.raises(OrderError, match="until: ") as error:
        order_of(door(until={"seconds": seconds}))
    assert error.value.field == "until"
