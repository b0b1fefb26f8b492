"""The histories a worker holds are bounded, and dropped when they may be untrue."""

from pagecast.featurestore.history.history import History
from pagecast.streaming.config import BATCH_RECORDS_MAX
from pagecast.streaming.histories import HISTORIES_HELD_MAX, HeldHistories


def test_the_longest_unused_are_dropped() -> None:
    held = HeldHistories(histories_max=2)
    first, second, third = (History(user_id) for user_id in ("a", "b", "c"))
    held.hold([first, second])
    assert held.take("a") is first
    held.hold([first, third])
    assert len(held) == 2
    assert held.take("b") is None
    assert held.take("a") is first


def test_what_is_taken_is_not_held_until_it_is_given_back() -> None:
    held = HeldHistories()
    held.hold([History("a")])
    assert held.take("a") is not None
    assert held.take("a") is None


def test_all_can_be_dropped() -> None:
    held = HeldHistories()
    held.hold([History("a")])
    held.drop_all()
    assert len(held) == 0


def test_the_histories_of_a_batch_fit() -> None:
    assert HISTORIES_HELD_MAX > BATCH_RECORDS_MAX
