"""What has left a history's window, as the model is told: by genre, by kind and by row.

Histories keep it by entity and row alone, because a fold looks nothing up; genres and kinds are
joined from the catalog when the prompt is built.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import Total
from pagecast.v1 import catalog_pb2

Totals = tuple[tuple[str, Total], ...]
"""By name, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Sums over the steps that have left the window. An entity counts for each of its genres.

    The name "" holds what the catalog does not know (genres and kinds), what happened on no row
    (rows), and what a history has no room to keep separately.
    """

    genres: Totals = ()
    kinds: Totals = ()
    rows: Totals = ()


NOTHING = Summary()


def summarise(
    entity_totals: Mapping[str, Total], row_totals: Mapping[str, Total], catalog: CatalogSnapshot
) -> Summary:
    """The summary of a history's totals as of a catalog."""
    if not entity_totals:
        return NOTHING
    genres: list[tuple[str, Total]] = []
    kinds: list[tuple[str, Total]] = []
    for entity_id, total in entity_totals.items():
        index = catalog.entity_index.get(entity_id)
        if index is None:
            genres.append(("", total))
            kinds.append(("", total))
            continue
        entity = catalog.entities[index]
        genres += [(genre, total) for genre in entity.genres or ("",)]
        kinds.append((_kind(entity.kind), total))
    return Summary(genres=_sums(genres), kinds=_sums(kinds), rows=_sums(row_totals.items()))


def _kind(kind: int) -> str:
    name = catalog_pb2.EntityKind.Name(catalog_pb2.EntityKind.ValueType(kind))
    return name.removeprefix("ENTITY_KIND_").lower()


def _sums(totals: Iterable[tuple[str, Total]]) -> Totals:
    sums: dict[str, Total] = defaultdict(Total)
    for name, total in totals:
        sums[name] = sums[name].plus(total)
    return tuple(sorted(sums.items()))
