import pytest
import sqlalchemy as sa
from factories_databases import migrated
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.catalog.popularity import HALF_LIFE_MS, Counted, Popularity, decay

NOW_MS = 1_800_000_000_000


def events(
    entity_id: str,
    times: int,
    at_ms: int = NOW_MS,
    *,
    first: int = 0,
    partition: int = 0,
    topic_id: str = "t",
) -> list[Counted]:
    """Consecutive events of one entity in one partition."""
    at = (topic_id, partition)
    return [Counted(at, first + n, entity_id, at_ms) for n in range(times)]


def test_half_is_left_after_a_half_life() -> None:
    assert decay(0) == 1.0
    assert decay(HALF_LIFE_MS) == 0.5
    assert decay(10, half_life_ms=5) == 0.25


def test_counts_add_up_and_the_best_is_first(engine: sa.Engine) -> None:
    popularity = Popularity(engine)
    assert popularity.scores() == {}
    popularity.add([*events("a", 1), *events("b", 2, first=1)])
    popularity.add([*events("a", 2, first=3), *events("c", 2, first=5)])
    assert list(popularity.scores().items()) == [("a", 3.0), ("b", 2.0), ("c", 2.0)]


def test_scores_decay_lazily(engine: sa.Engine) -> None:
    popularity = Popularity(engine)
    popularity.add(events("old", 4))
    popularity.add(events("new", 3, NOW_MS + HALF_LIFE_MS, first=4))
    assert popularity.scores() == {"new": 3.0, "old": 2.0}
    assert popularity.scores(NOW_MS + 2 * HALF_LIFE_MS) == {"new": 1.5, "old": 1.0}
    assert popularity.scores(NOW_MS) == popularity.scores(), "never before the newest count"


def test_within_a_batch_older_events_weigh_less(engine: sa.Engine) -> None:
    popularity = Popularity(engine)
    popularity.add([*events("old", 1), *events("new", 1, NOW_MS + HALF_LIFE_MS, first=1)])
    assert popularity.scores() == pytest.approx({"new": 1.0, "old": 0.5})


def test_an_offset_counts_once_for_each_partition_and_log(engine: sa.Engine) -> None:
    popularity = Popularity(engine)
    for batch in (events("a", 3), events("a", 3), events("a", 1), events("a", 5)):
        popularity.add(batch)
    assert popularity.scores() == {"a": 5.0}, "of a batch that overlaps, the rest counts"
    popularity.add(events("a", 5, partition=1))
    popularity.add(events("a", 1, topic_id="made anew"))
    assert popularity.scores() == {"a": 11.0}


def test_a_batch_of_nothing_is_no_transaction(engine: sa.Engine) -> None:
    Popularity(engine).add([])
    assert Popularity(engine).scores() == {}


def test_a_half_life_that_is_none_is_refused(sqlite_engine: sa.Engine) -> None:
    with pytest.raises(ValueError, match="half_life_ms"):
        Popularity(sqlite_engine, half_life_ms=0)


_logs = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4 * HALF_LIFE_MS)), max_size=6),
    min_size=1,
    max_size=3,
)


@settings(max_examples=20)
@given(logs=_logs, data=st.data())
def test_however_partitions_are_read_the_scores_are_the_same(
    logs: list[list[tuple[str, int]]], data: st.DataObject
) -> None:
    """In batches of any size, with replays of any range, one partition before another or after."""
    partitions = [
        [Counted(("t", p), n, entity, NOW_MS + ms) for n, (entity, ms) in enumerate(log)]
        for p, log in enumerate(logs)
    ]
    one, other = migrated("sqlite://"), migrated("sqlite://")
    Popularity(one).add([event for partition in partitions for event in partition])
    for partition in data.draw(st.permutations(partitions)):
        end = 0
        while end < len(partition):
            begin = data.draw(st.integers(0, end))
            end = data.draw(st.integers(end + 1, len(partition)))
            # A batch is grouped by user: not in the order of offsets.
            Popularity(other).add(data.draw(st.permutations(partition[begin:end])))
    later_ms = NOW_MS + 5 * HALF_LIFE_MS
    scores = Popularity(one).scores(later_ms)
    assert Popularity(other).scores(later_ms) == pytest.approx(scores)
    one.dispose()
    other.dispose()
