"""Step 4: what the rules of a page depend on."""

from pathlib import Path

import factories
from factories_featurestore import history_with

from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.featurestore.history.history import Action, Profile, Step
from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig
from pagecast.server.page.facts import facts_of
from pagecast.server.page.request import PageClock, PageRequest, read_request
from pagecast.v1 import catalog_pb2, events_pb2, homepage_pb2

NOW_MS = factories.START_MS


def asked(**fields: object) -> PageRequest:
    request = homepage_pb2.StreamHomepageRequest(user_id="u", **fields)  # type: ignore[arg-type]
    config = ServerConfig(state=StatePaths(root=Path("state")))
    return read_request(request, config, PageClock.start(None), NOW_MS)


def step(entity_id: str, action: Action, rating: float | None = None) -> Step:
    return Step(occurred_at_ms=NOW_MS, action=action, entity_id=entity_id, rating=rating)


def catalog(*entity_ids: str) -> CatalogSnapshot:
    entities = tuple(
        CatalogEntity(
            entity_id=entity_id,
            kind=catalog_pb2.ENTITY_KIND_MOVIE,
            title=entity_id,
            number=1,
            changed_at_ms=NOW_MS,
            attributes={},
        )
        for entity_id in entity_ids
    )
    return CatalogSnapshot(number=1, entities=entities, rows=())


def test_facts_hold_what_the_history_rules_out() -> None:
    history = history_with(
        step("seen", Action.PLAY_FEATURE),
        hidden={"hid": None},
        completed={"done": None},
        resume_ms={"older": 1, "newer": 2},
    )
    page = asked(context=events_pb2.RequestContext(device="tv", country="DE"))
    facts = facts_of(page, history, Profile(maturity_limit=12), catalog("seen"))
    assert (facts.at_ms, facts.device, facts.country) == (NOW_MS, "tv", "DE")
    assert facts.maturity_limit == 12
    assert facts.hidden == {"hid"}
    assert facts.watched == {"seen", "done"}
    assert facts.resume == ("newer", "older")
    assert facts.because == ("seen",)


def test_a_stranger_has_neither_seen_nor_hidden_anything() -> None:
    facts = facts_of(asked(), None, Profile(), catalog("a"))
    assert not (facts.hidden or facts.watched or facts.resume or facts.because)
    assert (facts.rows, facts.entities_per_row) == (8, 10)
