from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.history.history import STEPS_EVICTED_TOGETHER, STEPS_MAX
from pagecast.featurestore.prompt.compression import (
    COMPRESSED_TOGETHER,
    STEPS_OF_A_GROUP,
    steps_compressed,
)

steps = st.integers(0, STEPS_MAX)
keeps = st.integers(1, STEPS_MAX)


@given(steps=steps, keep=keeps)
def test_whole_blocks_are_compressed_and_the_newest_are_kept(steps: int, keep: int) -> None:
    compressed = steps_compressed(steps, keep)
    assert compressed % COMPRESSED_TOGETHER == 0
    assert compressed == 0 or steps - compressed >= keep
    assert steps - compressed < keep + COMPRESSED_TOGETHER, "as many as can be"


@given(steps=st.integers(0, STEPS_MAX - 1), keep=keeps)
def test_a_step_more_changes_nothing_but_once_a_block(steps: int, keep: int) -> None:
    grown = steps_compressed(steps + 1, keep) - steps_compressed(steps, keep)
    assert grown in (0, COMPRESSED_TOGETHER)
    newer = steps + 1 - keep
    assert (grown > 0) == (newer > 0 and newer % COMPRESSED_TOGETHER == 0)


@given(steps=steps)
def test_without_a_number_to_keep_nothing_is_compressed(steps: int) -> None:
    assert steps_compressed(steps, 0) == 0


def test_groups_stay_where_they_are_when_a_full_window_drops_its_oldest() -> None:
    assert STEPS_EVICTED_TOGETHER % STEPS_OF_A_GROUP == 0
    assert COMPRESSED_TOGETHER % STEPS_OF_A_GROUP == 0


def test_with_64_kept_a_full_history_is_never_longer_than_256_plain_steps() -> None:
    def positions(steps: int) -> int:
        compressed = steps_compressed(steps, 64)
        return steps - compressed + compressed // STEPS_OF_A_GROUP

    assert max(map(positions, range(STEPS_MAX + 1))) == 255
