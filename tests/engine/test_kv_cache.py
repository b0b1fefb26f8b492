"""Buffers of keys and values: sized once, never grown, used again."""

import threading

import numpy as np
import pytest

from pagecast.engine.errors import EngineError
from pagecast.engine.kv_cache import CACHES_KEPT_MAX, POSITIONS_TOGETHER, CachePool, KvCache
from pagecast.engine.manifest import ModelShape

SHAPE = ModelShape(
    d_model=16,
    output_dim=16,
    layers=2,
    query_heads=2,
    kv_heads=2,
    head_dim=8,
    genres=0,
    steps_max=8,
)


def positions(*values: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Keys or values of new positions, each filled with one number."""
    column = np.array(values, np.float32)[None, None, None, :, None]
    return np.broadcast_to(column, (2, 1, 2, len(values), 8))


def test_the_past_is_what_was_appended_in_order() -> None:
    cache = KvCache(SHAPE, 4)
    cache.extend(positions(1, 2), positions(-1, -2))
    cache.extend(positions(3), positions(-3))
    keys_LBHPK, values_LBHPK = cache.past()
    np.testing.assert_array_equal(keys_LBHPK, positions(1, 2, 3))
    np.testing.assert_array_equal(values_LBHPK, positions(-1, -2, -3))
    assert keys_LBHPK.flags.c_contiguous
    assert values_LBHPK.flags.c_contiguous


def test_nothing_is_appended_beyond_the_end() -> None:
    cache = KvCache(SHAPE, 3)
    cache.extend(positions(1, 2), positions(1, 2))
    with pytest.raises(EngineError, match="a page of 4 positions, its cache holds 3"):
        cache.extend(positions(3, 4), positions(3, 4))
    assert cache.positions == 2


def test_its_memory_is_known_before_the_page_and_does_not_grow() -> None:
    cache = KvCache(SHAPE, 10)
    expected_bytes = 4 * 2 * 1 * 2 * 10 * 8 * 4
    assert cache.size_bytes == expected_bytes
    before = cache.past()[0].__array_interface__["data"]
    for _ in range(10):
        cache.extend(positions(1), positions(1))
        assert cache.past()[0].__array_interface__["data"] == before
    assert cache.size_bytes == expected_bytes


def test_a_cache_given_back_is_lent_again_empty() -> None:
    pool = CachePool(SHAPE)
    with pool.borrow(100) as first:
        first.extend(positions(1), positions(1))
    with pool.borrow(POSITIONS_TOGETHER) as second:
        assert second is first
        assert second.positions == 0


def test_a_longer_page_gets_a_larger_cache() -> None:
    pool = CachePool(SHAPE)
    with pool.borrow(1) as small:
        assert small.positions_max == POSITIONS_TOGETHER
    with pool.borrow(POSITIONS_TOGETHER + 1) as large:
        assert large.positions_max == 2 * POSITIONS_TOGETHER


def test_a_cache_comes_back_when_its_page_fails() -> None:
    pool = CachePool(SHAPE)
    with pytest.raises(RuntimeError), pool.borrow(1) as lost:
        raise RuntimeError
    with pool.borrow(1) as again:
        assert again is lost


def test_no_two_pages_share_a_cache_and_few_are_kept() -> None:
    pool = CachePool(SHAPE)
    everyone_has_one = threading.Barrier(CACHES_KEPT_MAX + 3)
    lent: list[KvCache] = []

    def page() -> None:
        with pool.borrow(1) as cache:
            lent.append(cache)
            everyone_has_one.wait(10)

    threads = [threading.Thread(target=page) for _ in range(CACHES_KEPT_MAX + 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, lent))) == CACHES_KEPT_MAX + 3
    assert len(pool._free) == CACHES_KEPT_MAX
