"""Step 4 of the life of a page: what its rules depend on, from request, history and profile."""

from itertools import islice

from pagecast.featurestore.history import Action, History, Profile
from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.rules.facts import RequestFacts
from pagecast.server.asked import asked_facts
from pagecast.server.request import PageRequest

BECAUSE_ARGUMENTS_MAX = 40
"""Entities of a history a BECAUSE row may stand for: more than a page has rows is never used."""

RATING_POSITIVE_MIN = 3.5
"""On a scale from 0 to 5: `because you watched` must not follow what was disliked."""

_RATED_POSITIVE_MIN = int(RATING_POSITIVE_MIN * 2) + 1
"""The same as a step's column holds it."""

PLAYED_ACTIONS = frozenset(
    {Action.PLAY_FEATURE, Action.PLAY_LIVE, Action.PURCHASE, Action.COMPLETE}
)


def facts_of(
    page: PageRequest, history: History | None, profile: Profile, catalog: CatalogSnapshot
) -> RequestFacts:
    """What the rules of this request depend on; a stranger has neither seen nor hidden anything."""
    past = history or History("")
    return RequestFacts(
        at_ms=page.half.at_ms,
        device=page.half.device,
        country=page.half.country,
        maturity_limit=profile.maturity_limit,
        hidden=frozenset(past.hidden),
        watched=frozenset(past.watched()),
        resume=tuple(reversed(past.resume_ms)),
        because=because_arguments(past, catalog),
        rows=page.rows,
        entities_per_row=page.entities_per_row,
        **asked_facts(page.rules),
    )


def because_arguments(history: History, catalog: CatalogSnapshot) -> tuple[str, ...]:
    """Entities of the catalog the user liked and has not hidden, newest first.

    The newest judgement of an entity counts: who rated 1 after a play did not like it.
    """
    liked: dict[str, bool] = {}
    steps, names = history.steps, history.strings.names
    for entity, action, rating in zip(
        reversed(steps.entity), reversed(steps.action), reversed(steps.rating), strict=True
    ):
        if rating or action in PLAYED_ACTIONS:
            liked.setdefault(names[entity], not rating or rating >= _RATED_POSITIVE_MIN)
    positive = (
        entity_id
        for entity_id, is_liked in liked.items()
        if is_liked and entity_id in catalog.entity_index and entity_id not in history.hidden
    )
    return tuple(islice(positive, BECAUSE_ARGUMENTS_MAX))
