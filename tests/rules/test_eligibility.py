"""Which entities are offered to a person here and now."""

import pytest
from factories import START_MS
from rules.factories_rules import compiled, entity, facts, snapshot

from pagecast.featurestore.catalog.snapshot import Window
from pagecast.rules import bitsets
from pagecast.rules.bitsets import Words
from pagecast.rules.eligibility import (
    asked_for_entities,
    eligible_entities,
    known_indices,
    offered_entities,
)
from pagecast.rules.facts import RequestFacts

CATALOG = compiled(
    [
        entity("plain"),
        entity("retired", retired=True),
        entity("adult", maturity=18),
        entity("french", availability=(Window(country="FR"),)),
        entity("closed", availability=(Window(until_ms=START_MS),)),
        entity("phone", devices=("phone",)),
    ]
)


def offered(request: RequestFacts) -> set[str]:
    return ids(offered_entities(CATALOG, request))


def ids(words_W: Words) -> set[str]:
    entities = CATALOG.snapshot.entities
    return {entities[i].entity_id for i in bitsets.members(words_W, len(entities))}


@pytest.mark.parametrize(
    ("request_facts", "expected"),
    [
        (facts(), {"plain", "adult"}),
        (facts(country="FR"), {"plain", "adult", "french"}),
        (facts(at_ms=START_MS - 1), {"plain", "adult", "closed"}),
        (facts(device="phone"), {"plain", "adult", "phone"}),
        (facts(maturity_limit=17), {"plain"}),
        (facts(maturity_limit=18), {"plain", "adult"}),
        (facts(hidden=frozenset({"adult", "nobody"})), {"plain"}),
        (facts(watched=frozenset({"adult"})), {"plain", "adult"}),
    ],
)
def test_what_is_offered(request_facts: RequestFacts, expected: set[str]) -> None:
    assert offered(request_facts) == expected


def test_the_watched_are_offered_but_not_eligible() -> None:
    request = facts(watched=frozenset({"adult", "nobody"}))
    offered_W = offered_entities(CATALOG, request)
    assert ids(eligible_entities(CATALOG, request, offered_W)) == {"plain"}
    assert ids(offered_W) == {"plain", "adult"}


def test_a_caller_may_let_the_watched_stand_again() -> None:
    request = facts(watched=frozenset({"adult"}), watched_again=True)
    offered_W = offered_entities(CATALOG, request)
    assert ids(eligible_entities(CATALOG, request, offered_W)) == {"plain", "adult"}


def test_a_caller_s_entities_narrow_what_is_offered_and_never_widen_it() -> None:
    for named, expected in (
        (None, {"plain", "adult"}),
        (("adult", "retired", "french", "nobody"), {"adult"}),
        ((), set()),
    ):
        request = facts(entities=named)
        assert ids(asked_for_entities(CATALOG, request, offered_entities(CATALOG, request))) == (
            expected
        )


def test_unknown_ids_have_no_index_and_known_ones_have_it_once() -> None:
    catalog = snapshot([entity("a"), entity("b")])
    assert known_indices(catalog, ["b", "nobody", "a", "b"]).tolist() == [1, 0]
    assert known_indices(catalog, []).tolist() == []
