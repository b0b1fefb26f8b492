"""Step 4: what the rules of a page depend on."""

from pathlib import Path

import factories
from factories_featurestore import history_with

from pagecast.featurestore.history import Action, Profile, Step
from pagecast.featurestore.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig
from pagecast.server.facts import BECAUSE_ARGUMENTS_MAX, because_arguments, facts_of
from pagecast.server.request import PageClock, PageRequest, read_request
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


def test_because_takes_what_was_played_or_rated_well_newest_first() -> None:
    history = history_with(
        step("played", Action.PLAY_FEATURE),
        step("rated-well", Action.RATE, 3.5),
        step("rated-badly", Action.RATE, 3.0),
        step("clicked", Action.CLICK),
        step("not-in-catalog", Action.PLAY_FEATURE),
        step("hidden", Action.PLAY_FEATURE),
        hidden={"hidden": None},
    )
    known = catalog("played", "rated-well", "rated-badly", "clicked", "hidden")
    assert because_arguments(history, known) == ("rated-well", "played")


def test_the_newest_judgement_of_an_entity_counts() -> None:
    steps = [step("a", Action.PLAY_FEATURE), step("a", Action.RATE, 1.0), step("a", Action.CLICK)]
    assert because_arguments(history_with(*steps), catalog("a")) == ()


def test_because_arguments_are_bounded() -> None:
    ids = [f"m{i}" for i in range(BECAUSE_ARGUMENTS_MAX + 5)]
    history = history_with(*(step(i, Action.PLAY_FEATURE) for i in ids))
    arguments = because_arguments(history, catalog(*ids))
    assert list(arguments) == ids[:4:-1]


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
