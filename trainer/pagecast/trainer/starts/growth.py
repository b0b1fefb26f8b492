"""A vocabulary grows: what a base model knows keeps its numbers, new names come behind them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.starts.base import BaseError, Start


def grown(base: Vocabulary, now: Vocabulary, counts: Mapping[str, int]) -> Vocabulary:
    """What the base knows and, behind it, what only `now` does; `counts` are of entities.

    No name is dropped: its number would pass to another. Raises BaseError if a content embedding
    has other dimensions than the base's of that name.
    """
    known = dict(base.embeddings)
    for name, dimensions in now.embeddings:
        if known.setdefault(name, dimensions) != dimensions:
            raise BaseError(
                f"content embedding {name!r}: the base has {known[name]} dimensions, the catalog "
                f"{dimensions}: publish it under another name, or train without --from"
            )
    entities = _appended(base.entities, now.entities)
    return replace(
        now,
        entities=entities,
        entity_interactions=tuple(counts.get(entity, 0) for entity in entities),
        embeddings=tuple(known.items()),
        rows=_appended(base.rows, now.rows),
        genres=_appended(base.genres, now.genres),
        languages=_appended(base.languages, now.languages),
        countries=_appended(base.countries, now.countries),
        devices=_appended(base.devices, now.devices),
        surfaces=_appended(base.surfaces, now.surfaces),
        origins=_appended(base.origins, now.origins),
        people=_appended(base.people, now.people),
    )


def counts_after(
    start: Start, vocabulary: Vocabulary, users: Sequence[UserSteps]
) -> dict[str, int]:
    """How often each entity was a step in all data so far.

    An incremental run has not read the old steps: the base has counted them.
    """
    if not start.incremental:
        return dict(zip(vocabulary.entities, vocabulary.entity_interactions, strict=True))
    known = start.base.vocabulary
    counts = Counter(dict(zip(known.entities, known.entity_interactions, strict=True)))
    for user in users:
        counts.update(
            step.entity_id for step, new in zip(user.steps, user.new_N, strict=True) if new
        )
    return dict(counts)


def _appended(names: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*names, *more)))
