"""Step 4 of the life of a page: which entities its BECAUSE rows may be about."""

from collections.abc import Container
from itertools import islice

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import Action
from pagecast.featurestore.history.step_columns import StepColumns

BECAUSE_ARGUMENTS_MAX = 40
"""Entities of a history BECAUSE rows may be about: more than a page has rows is never used."""

RATING_POSITIVE_MIN = 3.5
"""On a scale from 0 to 5: `because you watched` must not be about what was disliked."""

_RATED_POSITIVE_MIN = int(RATING_POSITIVE_MIN * 2) + 1
"""The same as in a step's column."""

PLAYED_ACTIONS = frozenset(
    {Action.PLAY_FEATURE, Action.PLAY_LIVE, Action.PURCHASE, Action.COMPLETE}
)


def because_arguments(
    steps: StepColumns, hidden: Container[str], catalog: CatalogSnapshot
) -> tuple[str, ...]:
    """Entities of the catalog the user liked and has not hidden, newest first.

    The newest judgement of an entity counts: a user who rated it 1 after a play did not like it.
    """
    liked: dict[str, bool] = {}
    names = steps.strings.names
    for entity, action, rating in zip(
        reversed(steps.entity), reversed(steps.action), reversed(steps.rating), strict=True
    ):
        if rating or action in PLAYED_ACTIONS:
            liked.setdefault(names[entity], not rating or rating >= _RATED_POSITIVE_MIN)
    positive = (
        entity_id
        for entity_id, is_liked in liked.items()
        if is_liked and entity_id in catalog.entity_index and entity_id not in hidden
    )
    return tuple(islice(positive, BECAUSE_ARGUMENTS_MAX))
