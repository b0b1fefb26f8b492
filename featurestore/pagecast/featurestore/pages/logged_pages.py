"""Logged pages: each served page with what became of the entities that were seen on it.

A view over the two datasets of the offline log, joined by page id and user id; nothing is stored,
so late and repeated events change only the next reading. Exactly:

- A page is a `PageServed` record; a record that was sent twice is one page. An entity's place is
  where the first of the page's records that has it put it.
- An event counts if it carries the page's id and its user's, and occurred from `requested_at` to
  `window_ms` after it, both included, by the clocks that stamped them. Others are ignored.
- An entity is in the outcome if it was seen (named in an impression) or acted upon. One that was
  served and is neither is not: nobody knows whether it would have been liked.
- A `Stop` carries no placement. It belongs to the newest play of its entity on the page at or
  before it and counts if that play does, however long it took; without such a play it counts if it
  is inside the window itself. A stop of a trailer adds no watched time.
- `rating` and `listed` are what the user said last; ties go to the greater event id.
- `abandoned` is: seen, and nothing but hiding or taking off the list followed.
- An event that was sent twice counts once.

A page younger than the window is given as it stands.
"""

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pagecast.featurestore.history.steps import Action
from pagecast.featurestore.offline import NextOffsets, OfflineLog
from pagecast.featurestore.pages.page_outcomes import (
    EVENT_COLUMNS,
    OUTCOME_COLUMNS,
    PageJoin,
    impressions_of,
    served_entities,
)

WINDOW_MS = 30 * 60 * 1000
"""How long after a page was asked for events belong to it: by convention, a session's end."""

PAGES_AT_ONCE = 10_000
"""Pages whose entities are in memory together: a million entities, at a hundred a page."""

_HEAD = ("page_id", "user_id", "requested_at", "model_version", "arm")

TABLE_SCHEMA = pa.schema(
    [
        ("page_id", pa.string()),
        ("user_id", pa.string()),
        ("requested_at", pa.timestamp("ms", tz="UTC")),
        ("model_version", pa.string()),
        ("arm", pa.string()),
        ("page", pa.large_binary()),
        (
            "entities",
            pa.list_(
                pa.struct(
                    [
                        ("entity_id", pa.string()),
                        ("row_id", pa.string()),
                        ("row_position", pa.int32()),
                        ("entity_position", pa.int32()),
                        ("seen", pa.bool_()),
                        ("clicked", pa.bool_()),
                        ("trailer_played", pa.bool_()),
                        ("played", pa.bool_()),
                        ("watched_ms", pa.int64()),
                        ("completed", pa.bool_()),
                        ("rating", pa.float32()),
                        ("listed", pa.bool_()),
                        ("hidden", pa.bool_()),
                        ("purchased", pa.bool_()),
                        ("abandoned", pa.bool_()),
                    ]
                )
            ),
        ),
    ]
)
"""Columns of logged pages in a file; `page` is the record, the entities are `EntityOutcome`s."""


class EntityOutcome(NamedTuple):
    """What became of an entity that was seen or acted upon."""

    entity_id: str
    row_id: str
    row_position: int
    """Of the row among those of its record, from 0."""
    entity_position: int
    """In its row, from 0."""
    seen: bool
    """An impression named it."""
    clicked: bool
    """Clicked, or its details were visited."""
    trailer_played: bool
    played: bool
    """The entity itself, recorded or live."""
    watched_ms: int
    completed: bool
    rating: float | None
    """0 to 5; None if it was not rated."""
    listed: bool
    hidden: bool
    purchased: bool
    abandoned: bool
    """Seen, and nothing positive followed."""


class LoggedPageOutcome(NamedTuple):
    """A served page and its entities that were seen or acted upon, in the page's order."""

    page_id: str
    user_id: str
    requested_at_ms: int
    model_version: str
    arm: str
    value: bytes
    """The record: a `PageServed`."""
    entities: tuple[EntityOutcome, ...]


def logged_pages(
    log: OfflineLog,
    *,
    window_ms: int = WINDOW_MS,
    until: NextOffsets | None = None,
    after: NextOffsets | None = None,
) -> Iterator[LoggedPageOutcome]:
    """The logged pages in the order in which they were asked for.

    `until` and `after` are positions of both topics, as in `OfflineLog.read`; `after` leaves out
    only pages, because their events come later.
    """
    for table in logged_page_tables(log, window_ms=window_ms, until=until, after=after):
        entities = table["entities"].combine_chunks()
        fields = [column.to_pylist() for column in entities.values.flatten()]
        outcomes = list(map(EntityOutcome._make, zip(*fields, strict=True)))
        ends = entities.offsets.to_pylist()
        moments = table["requested_at"].cast(pa.int64())
        heads = table.set_column(2, "requested_at", moments).drop_columns("entities")
        of_page = [tuple(outcomes[begin:end]) for begin, end in pairwise(ends)]
        columns = (*(column.to_pylist() for column in heads.columns), of_page)
        yield from map(LoggedPageOutcome._make, zip(*columns, strict=True))


def logged_page_tables(
    log: OfflineLog,
    *,
    window_ms: int = WINDOW_MS,
    until: NextOffsets | None = None,
    after: NextOffsets | None = None,
) -> Iterator[pa.Table]:
    """The same as tables of TABLE_SCHEMA, some PAGES_AT_ONCE pages each."""
    if window_ms < 0:
        raise ValueError("window_ms must not be negative")
    pages, number_P = _numbered(log.pages.scan([*_HEAD, "page"], until=until, after=after))
    if not len(pages):
        return
    with closing(_join(log, pages, number_P, until)) as join:
        begin = 0
        while begin < len(pages):
            # A page's records stay together.
            last = int(number_P[min(begin + PAGES_AT_ONCE, len(pages)) - 1])
            end = int(np.searchsorted(number_P, last, side="right"))
            some, numbers = pages.slice(begin, end - begin), number_P[begin:end]
            served = served_entities(some["page"].to_pylist(), numbers)
            found = join.outcomes(served, int(numbers[0]), last, window_ms)
            yield _with_entities(some, found)
            begin = end


def _numbered(pages: pa.Table) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Distinct records in the order of their pages, and the number of each one's page."""
    moments = pages["requested_at"].cast(pa.int64()).to_pylist()
    users, ids = pages["user_id"].to_pylist(), pages["page_id"].to_pylist()
    digests = [sha256(value.as_buffer()).digest() for value in pages["page"]]
    records = {
        record: row for row, record in enumerate(zip(moments, users, ids, digests, strict=True))
    }
    numbers: dict[tuple[str, str], int] = {}
    ordered = [
        (numbers.setdefault((user, page), len(numbers)), records[moment, user, page, digest])
        for moment, user, page, digest in sorted(records)
    ]
    ordered.sort(key=itemgetter(0))
    place = np.array(ordered, np.int64).reshape(-1, 2)
    return pages.take(pa.array(place[:, 1])), place[:, 0]


def _join(
    log: OfflineLog,
    pages: pa.Table,
    number_P: npt.NDArray[np.int64],
    until: NextOffsets | None,
) -> PageJoin:
    on_a_page = pc.field("page_id") != ""
    is_impression = pc.field("action") == Action.IMPRESSION.name.lower()
    scan = log.events.scan
    acts = scan(EVENT_COLUMNS, until=until, where=on_a_page & ~is_impression)
    columns = ["user_id", "page_id", "occurred_at", "event"]
    seen = scan(columns, until=until, where=on_a_page & is_impression)
    _, first = np.unique(number_P, return_index=True)
    numbers = pages.select(["page_id", "user_id"]).take(pa.array(first))
    numbers = numbers.append_column("number", pa.array(number_P[first]))
    return PageJoin(acts, impressions_of(seen), numbers)


def _with_entities(pages: pa.Table, outcomes: pa.Table) -> pa.Table:
    """Lays each record's outcomes, which are in the order of records, beside it as a list."""
    record_E = outcomes["record"].to_numpy()
    ends = np.searchsorted(record_E, np.arange(len(pages) + 1)).astype(np.int32)
    columns = [outcomes[name].combine_chunks() for name in OUTCOME_COLUMNS]
    fields = TABLE_SCHEMA.field("entities").type.value_type
    columns = [column.cast(field.type) for column, field in zip(columns, fields, strict=True)]
    entities = pa.StructArray.from_arrays(columns, fields=list(fields))
    lists = pa.ListArray.from_arrays(pa.array(ends), entities)
    table = pages.select([*_HEAD, "page"]).append_column("entities", lists)
    return table.cast(TABLE_SCHEMA)
