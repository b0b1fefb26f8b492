"""A predicate over columns holds for exactly the entities it says."""

from random import Random

import pytest
from factories import START_MS
from hypothesis import given, settings
from rules.factories_rules import (
    SEEDS,
    both,
    compare,
    either,
    entity,
    negated,
    random_entity,
    random_predicate,
)

from pagecast.rules.predicates import AttributeColumns, evaluate
from pagecast.trainer.evaluation.pages.predicate_reading import predicate_holds
from pagecast.v1 import catalog_pb2

AT_LEAST = catalog_pb2.COMPARISON_GREATER_OR_EQUAL
LESS = catalog_pb2.COMPARISON_LESS

ENTITIES = (
    entity("comedy", "Comedy", maturity=6, attributes={"year": "1994"}),
    entity("both", "Comedy", "Drama", languages=("en", "de"), countries=("US",)),
    entity("match", kind=catalog_pb2.ENTITY_KIND_LIVE_EVENT, released_at_ms=START_MS),
    entity("old", "Drama", maturity=18, attributes={"year": "1939.5"}),
    entity("odd", attributes={"year": "unknown"}),
)


def matching(predicate: catalog_pb2.Predicate) -> list[str]:
    holds_N = evaluate(predicate, AttributeColumns(ENTITIES))
    return [e.entity_id for e, holds in zip(ENTITIES, holds_N, strict=True) if holds]


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (compare("genre", "Comedy"), ["comedy", "both"]),
        (compare("genre", "Drama", "Western"), ["both", "old"]),
        (compare("kind", "live_event"), ["match"]),
        (compare("language", "de"), ["both"]),
        (compare("country", "US"), ["both"]),
        (compare("entity_id", "odd", "nobody"), ["odd"]),
        (compare("maturity", "18"), ["old"]),
        (compare("maturity", "6", comparison=AT_LEAST), ["comedy", "old"]),
        (compare("released_at_ms", str(START_MS), comparison=AT_LEAST), ["match"]),
        (compare("released_at_ms", str(START_MS), comparison=LESS), []),
        (compare("attributes.year", "1994"), ["comedy"]),
        (compare("attributes.year", "1990", comparison=LESS), ["old"]),
        (compare("attributes.year", "1939.5", comparison=AT_LEAST), ["comedy", "old"]),
        (both(compare("genre", "Comedy"), compare("genre", "Drama")), ["both"]),
        (either(compare("kind", "live_event"), compare("maturity", "18")), ["match", "old"]),
        (negated(compare("genre", "Comedy", "Drama")), ["match", "odd"]),
        (catalog_pb2.Predicate(everything=True), [e.entity_id for e in ENTITIES]),
    ],
    ids=str,
)
def test_a_predicate_selects_entities(
    predicate: catalog_pb2.Predicate, expected: list[str]
) -> None:
    assert matching(predicate) == expected


@pytest.mark.parametrize(
    "refused",
    [
        catalog_pb2.Predicate(),
        both(),
        either(),
        compare("genre", "Comedy", comparison=catalog_pb2.COMPARISON_UNSPECIFIED),
        compare("maturity", "six", comparison=AT_LEAST),
        compare("maturity", "1", "2", comparison=AT_LEAST),
        compare("maturity", "nan", comparison=AT_LEAST),
    ],
    ids=repr,
)
def test_what_the_contract_refuses_holds_for_no_entity(refused: catalog_pb2.Predicate) -> None:
    assert matching(refused) == []


@settings(max_examples=300, deadline=None)
@given(random=SEEDS)
def test_columns_agree_with_reading_one_entity_at_a_time(random: Random) -> None:
    predicate = random_predicate(random, depth=3)
    entities = [random_entity(random, f"e{i}") for i in range(9)]
    expected = [predicate_holds(predicate, each) for each in entities]
    assert evaluate(predicate, AttributeColumns(entities)).tolist() == expected
