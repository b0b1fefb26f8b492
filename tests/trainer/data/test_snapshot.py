from pathlib import Path

import pytest
from factories import START_MS, play
from trainer.factories_trainer import DAY_MS, HOUR_MS, in_time_order, logged, walk, write_state

from pagecast.featurestore.catalog.catalog import EMPTY
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.snapshot import (
    NothingToTrainError,
    Source,
    positions_before,
    positions_before_last,
)
from pagecast.trainer.data.users import prompt_at

KEY = ("log", 0)


def test_a_snapshot_is_the_log_up_to_its_positions(world: StatePaths) -> None:
    source = Source(paths=world)
    whole, part = source.read(), source.read(until={KEY: 100})
    assert part.positions == {KEY: 100}
    assert whole.positions[KEY] == sum(s.events for user in whole.users for s in user.steps)
    assert sum(s.events for user in part.users for s in user.steps) == 100
    assert part.catalog == whole.catalog


def test_steps_after_the_known_positions_are_new(world: StatePaths) -> None:
    snapshot = Source(paths=world).read(known={KEY: 100})
    assert 0 < sum(not new for user in snapshot.users for new in user.new_N) <= 100


def test_a_log_that_began_again_began_every_history_again(tmp_path: Path) -> None:
    first, second = logged(walk(1), topic_id="old"), logged(walk(1), topic_id="new")
    snapshot = Source(paths=write_state(tmp_path, [*first, *second])).read()
    assert [user.user_id for user in snapshot.users] == ["u1", "u1"]


def test_a_profile_is_in_a_prompt_from_when_it_became_so(tmp_path: Path) -> None:
    events = [play("u", f"e{i}", START_MS + i * HOUR_MS) for i in range(3)]
    profile = Profile(profile_type=3, occurred_at_ms=START_MS + HOUR_MS)
    source = Source(
        paths=write_state(tmp_path, logged(events)), read_profiles=lambda ids: {"u": profile}
    )
    (user,) = source.read().users
    types = [prompt_at(user, cut, EMPTY).profile.profile_type for cut in range(3)]
    assert types == [0, 3, 3]


def test_the_last_share_of_the_time_is_held_out(world: StatePaths) -> None:
    positions = positions_before_last(world, 0.2)
    source = Source(paths=world)
    known = source.read(until=positions)
    newest = max(step.occurred_at_ms for user in known.users for step in user.steps)
    whole = source.read(known=positions)
    moments = [step.occurred_at_ms for user in whole.users for step in user.steps]
    cut_ms = max(moments) - 0.2 * (max(moments) - min(moments))
    new = [
        step.occurred_at_ms
        for user in whole.users
        for step, is_new in zip(user.steps, user.new_N, strict=True)
        if is_new
    ]
    assert newest < cut_ms <= min(new)


def test_one_moment_cannot_be_held_out(tmp_path: Path) -> None:
    paths = write_state(tmp_path, logged([play("u", "e1")]))
    with pytest.raises(NothingToTrainError, match="too few events to hold some out"):
        positions_before_last(paths, 0.1)


def test_partitions_are_cut_each_on_its_own(tmp_path: Path) -> None:
    events = logged(in_time_order([walk(1), walk(2)]))
    second = [row._replace(partition=1) for row in logged([play("v", "e1", START_MS)])]
    positions = positions_before_last(write_state(tmp_path, [*events, *second]), 0.1)
    assert positions["log", 1] == 1
    assert 0 < positions[KEY] < len(events)


def test_a_log_that_was_written_person_by_person_is_refused(tmp_path: Path) -> None:
    """Cut before its first late event it would be trained on to a hundredth."""
    walks = [walk(user, begin_ms=START_MS + user % 7 * DAY_MS) for user in range(20)]
    sorted_log = write_state(tmp_path / "sorted", logged(in_time_order(walks)))
    assert positions_before_last(sorted_log, 0.1)[KEY] > 300
    by_person = write_state(tmp_path / "by-person", logged([e for walk in walks for e in walk]))
    told = "not in time order: .* sorted by occurredAt, everybody's together, or hold nothing out"
    with pytest.raises(NothingToTrainError, match=told):
        positions_before_last(by_person, 0.1)
    with pytest.raises(NothingToTrainError, match=told):
        positions_before(by_person, START_MS + 6 * DAY_MS)


def test_a_few_events_that_come_late_are_held_out_with_the_rest(tmp_path: Path) -> None:
    events = in_time_order(walk(user, begin_ms=START_MS + user * DAY_MS) for user in range(20))
    moved = [*events[20:], *events[:20]]
    positions = positions_before_last(write_state(tmp_path, logged(moved)), 0.2)
    assert 200 < positions[KEY] < 380


def test_everything_from_a_moment_on_is_held_out(world: StatePaths) -> None:
    moment_ms = START_MS + 20 * 3_600_000
    known = Source(paths=world).read(until=positions_before(world, moment_ms))
    newest = max(step.occurred_at_ms for user in known.users for step in user.steps)
    assert moment_ms - 3_600_000 < newest < moment_ms


@pytest.mark.parametrize("moment_ms", [1, START_MS * 2])
def test_a_moment_with_nothing_before_or_after_it_is_refused(
    world: StatePaths, moment_ms: int
) -> None:
    with pytest.raises(NothingToTrainError, match="until: no events lie before"):
        positions_before(world, moment_ms)
