"""Which people and content embeddings of a catalog a model will know."""

from collections import Counter

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot

PEOPLE_MIN = 3
"""Entities that must name a person: with fewer, the embedding would be those entities' own ID, and
would move a launch."""

PEOPLE_MAX = 20_000
"""People a model knows, those named most often: at 128 wide they take 10 MB of a bundle."""

CONTENT_DIMENSIONS_MAX = 4096
"""Dimensions of all content embeddings together: training holds 4 bytes of each for every entity,
so 100,000 entities take 1.6 GB."""


class ContentError(ValueError):
    """The catalog's content embeddings do not fit together; nothing was trained."""


def people_names(catalog: CatalogSnapshot) -> tuple[str, ...]:
    """At most PEOPLE_MAX names that at least PEOPLE_MIN entities have, the most frequent first."""
    counts = Counter(name for e in catalog.entities for name in set(e.people))
    often = [name for name, entities in counts.items() if entities >= PEOPLE_MIN]
    return tuple(sorted(often, key=lambda name: (-counts[name], name))[:PEOPLE_MAX])


def content_names(catalog: CatalogSnapshot) -> tuple[tuple[str, int], ...]:
    """Names of the catalog's content embeddings with their dimensions, sorted.

    Raises ContentError, with the entity and the remedy, if a name has two numbers of dimensions,
    or if all together have more than CONTENT_DIMENSIONS_MAX.
    """
    dimensions: dict[str, int] = {}
    for entity in catalog.entities:
        for vector in entity.content:
            expected = dimensions.setdefault(vector.name, vector.dimensions)
            if vector.dimensions != expected:
                raise ContentError(
                    f"entity {entity.entity_id}: embedding {vector.name!r} has {vector.dimensions} "
                    f"dimensions, others of that name have {expected}: publish the entity again "
                    "with an embedding from the same source, or under another name"
                )
    if (total := sum(dimensions.values())) > CONTENT_DIMENSIONS_MAX:
        raise ContentError(
            f"the content embeddings {', '.join(sorted(dimensions))} have {total} dimensions "
            f"together, at most {CONTENT_DIMENSIONS_MAX} are taken: publish shorter or fewer ones"
        )
    return tuple(sorted(dimensions.items()))
