import numpy as np
import pytest

from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RulesConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.users import UserColumns
from pagecast.trainer.pages.pools import Pools

DAY_MS = 86_400_000


@pytest.fixture
def late_ms(dataset: Dataset) -> int:
    return max(int(user.at_ms_N[-1]) for user in dataset.columns)


def watched(entity: int, at_ms: int, times: int) -> UserColumns:
    return UserColumns(
        entity_N=np.full(times, entity),
        weight_N=np.ones(times, np.float32),
        at_ms_N=np.full(times, at_ms),
        begins_N=np.zeros(times, np.bool_),
        completes_N=np.zeros(times, np.bool_),
    )


def members(
    pools: Pools, dataset: Dataset, row_id: str, at_ms: int, argument: int = -1
) -> set[int]:
    every = np.arange(len(dataset.catalog.entities))
    row = dataset.catalog.row_index[row_id]
    return set(np.flatnonzero(pools.members(every, at_ms, argument)[row]).tolist())


def test_a_predicate_row_holds_what_its_predicate_holds_for(dataset: Dataset, late_ms: int) -> None:
    pools = Pools(CompiledCatalog(dataset.catalog), dataset.columns)
    expected = {i for i, e in enumerate(dataset.catalog.entities) if e.genres == ("Comedy",)}
    assert members(pools, dataset, "genre-comedy", late_ms) == expected


def test_the_recent_row_holds_what_was_released_last_by_then(dataset: Dataset) -> None:
    config = RulesConfig(recent_entities_max=2)
    pools = Pools(CompiledCatalog(dataset.catalog), dataset.columns, config)
    released = dataset.catalog.entities[9].released_at_ms
    assert released is not None
    assert members(pools, dataset, "recent", released) == {8, 9}
    assert members(pools, dataset, "recent", released - 1) == {7, 8}


def test_popularity_counts_strictly_earlier_steps_and_fades(dataset: Dataset) -> None:
    config = RulesConfig(popular_entities_max=1)
    users = [watched(1, 0, 3), watched(2, 30 * DAY_MS, 2), watched(3, 60 * DAY_MS, 1)]
    pools = Pools(CompiledCatalog(dataset.catalog), users, config)
    assert members(pools, dataset, "popular", 0) == set()
    assert members(pools, dataset, "popular", 10 * DAY_MS) == {1}
    assert members(pools, dataset, "popular", 40 * DAY_MS) == {2}


def test_a_because_row_holds_what_shares_a_genre_with_its_argument(
    dataset: Dataset, late_ms: int
) -> None:
    pools = Pools(CompiledCatalog(dataset.catalog), dataset.columns)
    because = members(pools, dataset, "because", late_ms, argument=4)
    assert because == members(pools, dataset, "genre-comedy", late_ms) - {4}
    assert members(pools, dataset, "because", late_ms) == set()


def test_shares_of_sources_are_their_bounds(dataset: Dataset) -> None:
    config = RulesConfig(recent_entities_max=9, popular_entities_max=1000)
    shares = Pools(CompiledCatalog(dataset.catalog), dataset.columns, config).shares()
    by_row = dict(zip((row.row_id for row in dataset.catalog.rows), shares.tolist(), strict=True))
    assert by_row["top"] == by_row["popular"] == by_row["because"] == 1.0
    assert by_row["genre-comedy"] == pytest.approx(1 / 3)
    assert by_row["recent"] == pytest.approx(0.25)
