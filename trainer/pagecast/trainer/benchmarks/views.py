"""Data as a cell is given them: fewer users, and with things left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.evaluation.protocols.interactions import Interactions, interactions_of


def viewed(data: Interactions, without: Sequence[str]) -> Interactions:
    """The data with some of `LEFT_OUT` left out. Raises ValueError for any other name."""
    for name in without:
        if name not in LEFT_OUT:
            raise ValueError(f"without: {name!r} is none of {', '.join(LEFT_OUT)}")
        data = LEFT_OUT[name](data)
    return data


def some_users(data: Interactions, count: int) -> Interactions:
    """`count` of the users, evenly spread over all."""
    if count >= len(data.users):
        return data
    chosen = np.linspace(0, len(data.users) - 1, count).round().astype(int).tolist()
    return interactions_of([data.users[number] for number in chosen], data.catalog)


def newest(data: Interactions, count: int) -> Interactions:
    """The newest steps of each user, at most `count`: then every history is one window."""
    return interactions_of([_newest(user, count) for user in data.users], data.catalog)


def _newest(user: UserSteps, count: int) -> UserSteps:
    steps = user.steps[-count:]
    return replace(
        user,
        steps=steps,
        first_N=np.zeros(len(steps), np.int64),
        cut_N=user.cut_N[-count:],
        new_N=user.new_N[-count:],
        left_behind={},
    )


def _with_catalog(
    change: Callable[[CatalogEntity], CatalogEntity],
) -> Callable[[Interactions], Interactions]:
    def without(data: Interactions) -> Interactions:
        catalog = data.catalog
        entities = tuple(change(entity) for entity in catalog.entities)
        changed = CatalogSnapshot(number=catalog.number, entities=entities, rows=catalog.rows)
        return replace(data, catalog=changed)

    return without


def _no_genres(entity: CatalogEntity) -> CatalogEntity:
    return replace(entity, genres=())


def _no_years(entity: CatalogEntity) -> CatalogEntity:
    """Nor an age: it is counted from the release."""
    rest = {name: text for name, text in entity.attributes.items() if name != "year"}
    return replace(entity, attributes=rest, released_at_ms=None)


def _no_metadata(entity: CatalogEntity) -> CatalogEntity:
    """The kind stays, of which a film service has one."""
    bare = _no_years(_no_genres(entity))
    return replace(bare, languages=(), countries=(), maturity=0, people=(), content=())


def _no_times(data: Interactions) -> Interactions:
    """Only the order is left: a second from step to step, all in one hour of one season."""
    begin_ms = int(data.at_ms_X.min())
    users = [
        replace(
            user,
            steps=tuple(
                replace(step, occurred_at_ms=begin_ms + 1000 * place)
                for place, step in enumerate(user.steps)
            ),
        )
        for user in data.users
    ]
    return interactions_of(users, data.catalog)


LEFT_OUT: Mapping[str, Callable[[Interactions], Interactions]] = {
    "genres": _with_catalog(_no_genres),
    "years": _with_catalog(_no_years),
    "metadata": _with_catalog(_no_metadata),
    "times": _no_times,
}
