"""Requests and limits outside their bounds cannot be built."""

import pytest
from rules.factories_rules import facts

from pagecast.rules.facts import ENTITIES_PER_ROW_MAX, ROWS_MAX, RulesConfig


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


def test_a_limit_of_zero_names_itself() -> None:
    with pytest.raises(ValueError, match="recent_entities_max must be at least 1"):
        RulesConfig(recent_entities_max=0)
