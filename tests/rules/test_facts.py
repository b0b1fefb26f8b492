"""Requests and limits outside their bounds cannot be built."""

import pytest
from rules.factories_rules import facts

from pagecast.rules.facts import (
    ENTITIES_PER_ROW_MAX,
    ROWS_MAX,
    AskedRow,
    KindCap,
    RulesConfig,
)


@pytest.mark.parametrize("rows", [0, -1, ROWS_MAX + 1])
def test_a_page_has_1_to_40_rows(rows: int) -> None:
    with pytest.raises(ValueError, match="rows must be 1 to 40"):
        facts(rows=rows)
    assert facts(rows=ROWS_MAX).rows == 40


@pytest.mark.parametrize("entities", [0, ENTITIES_PER_ROW_MAX + 1])
def test_a_row_has_1_to_40_entities(entities: int) -> None:
    with pytest.raises(ValueError, match="entities_per_row must be 1 to 40"):
        facts(entities_per_row=entities)
    assert facts(entities_per_row=ENTITIES_PER_ROW_MAX).entities_per_row == 40


@pytest.mark.parametrize("bound", ["entities_min", "entities_max"])
@pytest.mark.parametrize("entities", [0, ENTITIES_PER_ROW_MAX + 1])
def test_an_asked_row_has_1_to_40_entities(bound: str, entities: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 40 entities, not {entities}"):
        AskedRow(row_id="top", **{bound: entities})  # type: ignore[arg-type]


def test_caps_are_not_negative_and_one_a_kind() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        KindCap(kind=1, page_max=-1)
    with pytest.raises(ValueError, match="name a kind once"):
        facts(kind_caps=(KindCap(kind=1), KindCap(kind=1, row_max=2)))


def test_a_minimum_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="row_entities_min must be at least 1"):
        facts(row_entities_min=0)


def test_a_limit_of_zero_names_itself() -> None:
    with pytest.raises(ValueError, match="recent_entities_max must be at least 1"):
        RulesConfig(recent_entities_max=0)
