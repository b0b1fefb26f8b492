import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.config import PageConfig
from pagecast.trainer.data.dataset import Dataset, fallback_row, next_row
from pagecast.trainer.data.users import UserColumns
from pagecast.trainer.pages.constructed import PageBuilder
from pagecast.trainer.pages.pools import Pools

HOUR_MS = 3_600_000
CONFIG = PageConfig(row_fallback=0.0, top_first=0.5)


@pytest.fixture(scope="session")
def pools(dataset: Dataset) -> Pools:
    return Pools(CompiledCatalog(dataset.catalog), dataset.columns)


def builder_of(dataset: Dataset, pools: Pools, config: PageConfig = CONFIG) -> PageBuilder:
    return PageBuilder(
        pools,
        next_row=next_row(dataset.catalog),
        fallback_row=fallback_row(dataset.catalog),
        config=config,
    )


def user_with(
    entities: list[int], *, begin_ms: int, resumable: bool = False, weight: float = 1.0
) -> UserColumns:
    count = len(entities)
    return UserColumns(
        entity_N=np.array(entities, np.int64),
        weight_N=np.full(count, weight, np.float32),
        at_ms_N=begin_ms + np.arange(count, dtype=np.int64) * HOUR_MS,
        begins_N=np.full(count, resumable),
        completes_N=np.zeros(count, np.bool_),
    )


@settings(deadline=None, max_examples=200)
@given(
    entities=st.lists(st.integers(-1, 35), min_size=1, max_size=40),
    share=st.floats(0, 0.99),
    resumable=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_a_page_holds_what_followed_and_obeys_its_rows(
    dataset: Dataset, pools: Pools, entities: list[int], share: float, resumable: bool, seed: int
) -> None:
    begin_ms = int(dataset.columns[0].at_ms_N[-1])
    user = user_with(entities, begin_ms=begin_ms, resumable=resumable)
    cut = int(share * len(entities))
    rows = builder_of(dataset, pools).build(user, cut, np.random.default_rng(seed))
    placed = [entity for row in rows for entity in row.entities]
    before, after = set(entities[:cut]), set(entities[cut:])
    assert len(placed) == len(set(placed))
    assert set(placed) <= after - {-1}
    assert len({row.row for row in rows}) == len(rows) <= CONFIG.rows_max
    for row in rows:
        assert 1 <= len(row.entities) == len(row.weights) <= CONFIG.entities_max
        catalog_row = dataset.catalog.rows[row.row]
        if catalog_row.row_id == "continue":
            assert resumable
            assert set(row.entities) <= before
        else:
            assert not set(row.entities) & before
            assert (row.argument >= 0) == (catalog_row.row_id == "because")
            members = pools.members(np.array(row.entities), int(user.at_ms_N[cut]), row.argument)
            assert members[row.row].all()


def test_a_step_without_engagement_is_no_target(dataset: Dataset, pools: Pools) -> None:
    user = user_with([4, 7, 9], begin_ms=0, weight=0.0)
    assert builder_of(dataset, pools).build(user, 0, np.random.default_rng(0)) == []


def test_a_page_may_begin_with_the_next_entity_row(dataset: Dataset, pools: Pools) -> None:
    builder = builder_of(dataset, pools, PageConfig(top_first=1.0, row_fallback=0.0))
    user = dataset.columns[0]
    pages = [builder.build(user, 3, np.random.default_rng(seed)) for seed in range(10)]
    assert all(page[0].row == next_row(dataset.catalog) for page in pages)
    assert all(page[0].entities[0] == user.entity_N[3] for page in pages)


def test_some_rows_are_presented_as_unknown(dataset: Dataset, pools: Pools) -> None:
    builder = builder_of(dataset, pools, PageConfig(row_fallback=1.0))
    rows = builder.build(dataset.columns[0], 3, np.random.default_rng(0))
    assert rows
    assert {row.row for row in rows} == {fallback_row(dataset.catalog)}


def test_a_catalog_without_the_next_entity_row_still_gives_pages(dataset: Dataset) -> None:
    rows = tuple(row for row in dataset.catalog.rows if row.row_id != "top")
    catalog = CatalogSnapshot(number=1, entities=dataset.catalog.entities, rows=rows)
    builder = PageBuilder(
        Pools(CompiledCatalog(catalog), dataset.columns),
        next_row=next_row(catalog),
        fallback_row=fallback_row(catalog),
        config=CONFIG,
    )
    assert next_row(catalog) == fallback_row(catalog) == len(rows)
    page = builder.build(dataset.columns[0], 3, np.random.default_rng(0))
    assert page
    assert all(row.row < len(rows) for row in page)
