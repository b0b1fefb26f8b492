"""A recorded page is followed token by token, and compared with what would be picked."""

import dataclasses

import numpy as np
import pytest
from engine.factories_batch import rules_of
from engine.factories_engine import placed_rows, prompt_of

from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.following import Following, NotAllowedError
from pagecast.engine.model import Model
from pagecast.engine.page import decode_page
from pagecast.engine.page_events import PageEvent
from pagecast.engine.picking import Greedy, Place
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.rules.standing_row import StandingRow

PROMPT = prompt_of("e1", "e2")
WARM = DecodeOptions(temperature=2.0, seed=7)


@pytest.fixture
def model(bundle: Bundle, catalog: CatalogSnapshot) -> Model:
    return Model(bundle, catalog)


def rows_of(events: list[PageEvent]) -> list[StandingRow]:
    return [
        StandingRow(
            row=row.row,
            argument=NO_ARGUMENT if row.argument is None else row.argument,
            entities=row.entities,
        )
        for row in placed_rows(events)
    ]


@pytest.mark.parametrize("options", [DecodeOptions(), WARM])
def test_what_was_decoded_is_what_would_be_picked(model: Model, options: DecodeOptions) -> None:
    rules = rules_of(model)
    page = rows_of(list(decode_page(model, PROMPT, rules, options)))
    following = Following(options.picker(), page, first=0)
    assert rows_of(list(decode_page(model, PROMPT, rules, options, picker=following))) == page
    assert all(token.same for token in following.tokens)
    assert len(following.tokens) == sum(1 + len(row.entities) for row in page)


def test_other_choices_are_followed_and_named(model: Model) -> None:
    rules = rules_of(model)
    drawn = rows_of(list(decode_page(model, PROMPT, rules, WARM)))
    following = Following(Greedy(), drawn, first=0)
    assert rows_of(list(decode_page(model, PROMPT, rules, picker=following))) == drawn
    differing = [token for token in following.tokens if not token.same]
    assert differing
    assert all(token.log_probability < 0 for token in differing)


def test_what_another_shortlist_held_is_followed_too(model: Model) -> None:
    """As 8-bit weights may have had one."""
    rules = rules_of(model)
    elsewhere = dataclasses.replace(WARM, shortlist=30)
    drawn = rows_of(list(decode_page(model, PROMPT, rules, elsewhere)))
    options = DecodeOptions(shortlist=6)
    following = Following(options.picker(), drawn, first=0)
    assert rows_of(list(decode_page(model, PROMPT, rules, options, picker=following))) == drawn
    assert not all(token.same for token in following.tokens)


def test_what_may_not_stand_is_not_followed(model: Model) -> None:
    rules = rules_of(model)
    first, *rest = rows_of(list(decode_page(model, PROMPT, rules)))
    twice = dataclasses.replace(first, entities=(first.entities[0], *first.entities[:-1]))
    for page in ([twice, *rest], [dataclasses.replace(first, entities=first.entities[:2]), *rest]):
        following = Following(Greedy(), page, first=0)
        with pytest.raises(NotAllowedError):
            list(decode_page(model, PROMPT, rules, picker=following))


def test_an_entity_that_does_not_compete_is_not_followed() -> None:
    row = StandingRow(row=0, argument=NO_ARGUMENT, entities=(5,))
    following = Following(Greedy(), [row], first=2)
    logits_V = np.zeros(2, np.float32)
    for tokens_V in (np.array([3, 4]), np.array([4, 6])):
        with pytest.raises(NotAllowedError, match="index 5 may not stand"):
            following.pick(logits_V, Place(2, 1), tokens_V)
