"""The checker can fail: each page below breaks one rule, which is reported."""

import pytest
from rules.factories_rules import (
    SMALL_LIMITS,
    compare,
    entity,
    facts,
    predicate_row,
    snapshot,
    source_row,
)

from pagecast.trainer.evaluation.pages.page_checker import CheckedCatalog, PageChecker, PlacedRow
from pagecast.v1 import catalog_pb2, homepage_pb2

COMEDY, DRAMA, BECAUSE = range(3)

CATALOG = CheckedCatalog(
    snapshot(
        [
            *(entity(f"c{i}", "Comedy") for i in range(4)),
            *(entity(f"d{i}", "Drama") for i in range(4)),
        ],
        [
            predicate_row("comedy", compare("genre", "Comedy"), first_entity_ids=("c2",)),
            predicate_row("drama", compare("genre", "Drama")),
            source_row("because", catalog_pb2.ROW_SOURCE_BECAUSE),
        ],
    )
)

GOOD = (PlacedRow(COMEDY, None, (2, 0)), PlacedRow(BECAUSE, 4, (5, 6)))


def broken(*page: PlacedRow, reason: int = homepage_pb2.FINISH_REASON_ROWS) -> list[str]:
    request = facts(rows=2, entities_per_row=2, watched=frozenset({"d3"}), because=("d0",))
    return PageChecker(CATALOG, request, (), SMALL_LIMITS).broken(page, reason)


def test_a_page_that_keeps_the_rules_is_told_nothing_of() -> None:
    assert broken(*GOOD) == []


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (PlacedRow(COMEDY, None, (1, 3)), "row 0 may not begin at 1"),
        (PlacedRow(DRAMA, None, (5, 5)), "an entity twice in a row"),
        (PlacedRow(DRAMA, None, (5, 0)), "an entity twice on a page"),
        (PlacedRow(DRAMA, None, (5, 7)), "an entity that may not stand"),
        (PlacedRow(DRAMA, None, (5,)), "row length"),
        (PlacedRow(BECAUSE, 5, (4, 6)), "is about 5, not 4"),
    ],
)
def test_each_broken_rule_is_told(second: PlacedRow, told: str) -> None:
    assert any(told in text for text in broken(GOOD[0], second))


def test_first_entities_come_first() -> None:
    assert any(
        "first entities" in text for text in broken(PlacedRow(COMEDY, None, (0, 2)), GOOD[1])
    )


def test_a_page_may_not_end_while_a_row_may_begin() -> None:
    short = broken(GOOD[0], reason=homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE)
    assert short == ["it ends after 1 rows, though another may begin"]
    assert any("reason" in text for text in broken(*GOOD, reason=0))
