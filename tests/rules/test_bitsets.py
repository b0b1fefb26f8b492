"""Sets of entities as bits say what sets say."""

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pagecast.rules import bitsets
from pagecast.rules.predicates import Mask

MASKS = st.lists(st.booleans(), max_size=200).map(lambda bits: np.array(bits, bool))


@given(MASKS)
def test_a_mask_comes_back_and_nothing_stands_behind_its_end(mask_N: Mask) -> None:
    words_W = bitsets.pack(mask_N)
    assert len(words_W) == bitsets.words_of(len(mask_N))
    np.testing.assert_array_equal(bitsets.unpack(words_W, len(mask_N)), mask_N)
    assert bitsets.members(words_W, len(mask_N)).tolist() == np.flatnonzero(mask_N).tolist()
    assert bitsets.sizes(words_W) == np.count_nonzero(mask_N)


@given(MASKS, st.data())
def test_members_are_asked_for_added_and_removed(mask_N: Mask, data: st.DataObject) -> None:
    entities = st.integers(0, max(len(mask_N) - 1, 0))
    most = 20 if len(mask_N) else 0
    some = np.array(data.draw(st.lists(entities, max_size=most)), np.int64)
    words_W = bitsets.pack(mask_N)
    assert bitsets.held(words_W, some).tolist() == mask_N[some].tolist()
    assert [bool(bitsets.holds(words_W, entity)) for entity in some] == mask_N[some].tolist()
    bitsets.add(words_W, some)
    assert set(bitsets.members(words_W, len(mask_N))) == set(np.flatnonzero(mask_N)) | set(some)
    bitsets.remove(words_W, some)
    assert set(bitsets.members(words_W, len(mask_N))) == set(np.flatnonzero(mask_N)) - set(some)


@given(MASKS, st.integers(0, 30), st.randoms())
def test_the_first_that_are_held_keep_their_order(mask_N: Mask, most: int, random: Random) -> None:
    order = random.sample(range(len(mask_N)), len(mask_N))
    expected = [entity for entity in order if mask_N[entity]][:most]
    found = bitsets.first_held(bitsets.pack(mask_N), np.array(order, np.int64), most)
    assert found.tolist() == expected


def test_an_entity_is_asked_for_in_many_sets_at_once() -> None:
    sets_XW = np.stack([bitsets.of(np.array(s, np.int64), 130) for s in ([0, 129], [129], [64])])
    assert bitsets.holds(sets_XW, 129).tolist() == [True, True, False]
    assert bitsets.sizes(sets_XW).tolist() == [2, 1, 1]
