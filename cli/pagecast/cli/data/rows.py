"""The rows of the MovieLens catalog: what a page may hold."""

import re
from collections.abc import Iterable

from pagecast.v1 import catalog_pb2

DECADE_YEARS = 10


def rows(genres: Iterable[str], years: Iterable[int]) -> list[catalog_pb2.Row]:
    """A row per genre and per decade, "top" (everything), and one per source."""
    decades = sorted({year - year % DECADE_YEARS for year in years})
    return [
        catalog_pb2.Row(
            row_id="top", title="Top picks", predicate=catalog_pb2.Predicate(everything=True)
        ),
        # Something begun is worth finishing: this row stands first whenever it has anything in it.
        catalog_pb2.Row(
            row_id="continue",
            title="Continue watching",
            source=catalog_pb2.ROW_SOURCE_CONTINUE,
            pin=0,
        ),
        _source_row("popular", "Popular now", catalog_pb2.ROW_SOURCE_POPULAR),
        _source_row("recent", "Recently released", catalog_pb2.ROW_SOURCE_RECENT),
        _source_row("because", "Because you watched {entity}", catalog_pb2.ROW_SOURCE_BECAUSE),
        *(_genre_row(genre) for genre in sorted(set(genres))),
        *(_decade_row(decade) for decade in decades),
    ]


def slug(text: str) -> str:
    """Lower case, words joined by hyphens: "Children's" is "childrens"."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("'", "")).strip("-")


def _source_row(
    row_id: str, title: str, source: "catalog_pb2.RowSource.ValueType"
) -> catalog_pb2.Row:
    return catalog_pb2.Row(row_id=row_id, title=title, source=source)


def _genre_row(genre: str) -> catalog_pb2.Row:
    return catalog_pb2.Row(
        row_id=f"genre-{slug(genre)}",
        title=genre,
        predicate=_compare("genre", catalog_pb2.COMPARISON_IN, genre),
    )


def _decade_row(decade: int) -> catalog_pb2.Row:
    year = "attributes.year"
    both = catalog_pb2.Predicates(
        items=[
            _compare(year, catalog_pb2.COMPARISON_GREATER_OR_EQUAL, str(decade)),
            _compare(year, catalog_pb2.COMPARISON_LESS, str(decade + DECADE_YEARS)),
        ]
    )
    return catalog_pb2.Row(
        row_id=f"decade-{decade}s",
        title=f"From the {decade}s",
        predicate=catalog_pb2.Predicate(all=both),
    )


def _compare(
    attribute: str, comparison: "catalog_pb2.Comparison.ValueType", value: str
) -> catalog_pb2.Predicate:
    return catalog_pb2.Predicate(
        compare=catalog_pb2.Compare(attribute=attribute, comparison=comparison, values=[value])
    )
