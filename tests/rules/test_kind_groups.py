"""Capped kinds and the rest split every set."""

import numpy as np
from rules.factories_rules import compiled, entity

from pagecast.rules import bitsets
from pagecast.rules.facts import KindCap
from pagecast.rules.kind_groups import UNCAPPED, group_kinds

MOVIE, SHOW, GAME = 1, 2, 3
CATALOG = compiled([entity(f"e{i}", kind=kind) for i, kind in enumerate((1, 2, 2, 3, 1))])
ALL_XW = bitsets.of(np.arange(5), 5)[None]


def test_without_caps_there_is_one_group_of_all() -> None:
    groups = group_kinds(CATALOG, ())
    assert groups.sizes(ALL_XW).tolist() == [[5]]
    assert groups.of(3) == 0
    assert groups.row_max_G.tolist() == groups.page_max_G.tolist() == [UNCAPPED]


def test_each_capped_kind_is_a_group_in_whatever_order_they_are_named() -> None:
    caps = KindCap(kind=GAME, page_max=0), KindCap(kind=SHOW, row_max=1)
    for groups in (group_kinds(CATALOG, caps), group_kinds(CATALOG, caps[::-1])):
        assert groups.sizes(ALL_XW).tolist() == [[2, 1, 2]]
        assert [groups.of(index) for index in range(5)] == [2, 0, 0, 1, 2]
        assert groups.row_max_G.tolist() == [1, UNCAPPED, UNCAPPED]
        assert groups.page_max_G.tolist() == [UNCAPPED, 0, UNCAPPED]


def test_a_kind_nobody_is_of_may_be_capped() -> None:
    groups = group_kinds(CATALOG, [KindCap(kind=4, row_max=1)])
    assert groups.sizes(ALL_XW).tolist() == [[0, 5]]
