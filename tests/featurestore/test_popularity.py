import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.popularity import HALF_LIFE_MS, Popularity, decay
from pagecast.featurestore.positions import LogPosition

NOW_MS = 1_800_000_000_000


def position(next_offset: int, *, partition: int = 0, topic_id: str = "t") -> LogPosition:
    return LogPosition(topic_id=topic_id, partition=partition, next_offset=next_offset)


def test_half_is_left_after_a_half_life() -> None:
    assert decay(0) == 1.0
    assert decay(HALF_LIFE_MS) == 0.5
    assert decay(10, half_life_ms=5) == 0.25


def test_counts_add_up_and_the_best_is_first(engine: sa.Engine) -> None:
    popularity = Popularity(engine)
    assert popularity.scores() == {}
    assert popularity.add(position(3), {"a": 1.0, "b": 2.0}, NOW_MS)
    assert popularity.add(position(5), {"a": 2.0, "c": 2.0}, NOW_MS)
    assert list(popularity.scores().items()) == [("a", 3.0), ("b", 2.0), ("c", 2.0)]


def test_scores_decay_lazily(engine: sa.Engine) -> None:
    popularity = Popularity(engine)
    popularity.add(position(1), {"old": 4.0}, NOW_MS)
    popularity.add(position(2), {"new": 3.0}, NOW_MS + HALF_LIFE_MS)
    assert popularity.scores() == {"new": 3.0, "old": 2.0}
    assert popularity.scores(NOW_MS + 2 * HALF_LIFE_MS) == {"new": 1.5, "old": 1.0}
    assert popularity.scores(NOW_MS) == popularity.scores(), "never before the newest count"


def test_a_position_counts_once_for_each_partition(engine: sa.Engine) -> None:
    popularity = Popularity(engine)
    assert popularity.add(position(10), {"a": 1.0}, NOW_MS)
    assert not popularity.add(position(10), {"a": 1.0}, NOW_MS)
    assert not popularity.add(position(4), {"a": 1.0}, NOW_MS)
    assert popularity.add(position(10, partition=1), {"a": 1.0}, NOW_MS)
    assert popularity.add(position(1, topic_id="made anew"), {"a": 1.0}, NOW_MS)
    assert popularity.scores() == {"a": 3.0}
    assert popularity.next_offset("t", 0) == 10
    assert popularity.next_offset("t", 7) == 0


def test_a_half_life_that_is_none_is_refused(sqlite_engine: sa.Engine) -> None:
    with pytest.raises(ValueError, match="half_life_ms"):
        Popularity(sqlite_engine, half_life_ms=0)


_batches = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abc"), st.floats(0.01, 10), max_size=3),
        st.integers(0, 4 * HALF_LIFE_MS),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=20)
@given(batches=_batches, data=st.data())
def test_the_order_of_batches_and_replays_do_not_matter(
    batches: list[tuple[dict[str, float], int]], data: st.DataObject
) -> None:
    numbered = list(enumerate(batches))
    shuffled = data.draw(st.permutations(numbered))
    replayed = data.draw(st.lists(st.sampled_from(numbered), max_size=3))
    one, other = connect("sqlite://"), connect("sqlite://")
    for engine, order in ((one, numbered), (other, [*shuffled, *replayed])):
        migrate(engine)
        for partition, (counts, at_ms) in order:
            Popularity(engine).add(position(1, partition=partition), counts, NOW_MS + at_ms)
    later_ms = NOW_MS + 5 * HALF_LIFE_MS
    scores = Popularity(one).scores(later_ms)
    assert Popularity(other).scores(later_ms) == pytest.approx(scores)
    one.dispose()
    other.dispose()
