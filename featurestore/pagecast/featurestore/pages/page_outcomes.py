"""What became of the entities of served pages: the join behind `logged_pages`, in SQL.

DuckDB does it for its as-of join, which gives a stop to the play before it, within a page and an
entity; pyarrow's knows one key and needs sorted input. Nothing here depends on the order of rows:
there are only booleans, sums over distinct stops, and the newest by (time, event id).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pagecast.featurestore.history.steps import Action
from pagecast.featurestore.history.tokens import STOP
from pagecast.v1 import events_pb2

EVENT_COLUMNS = (
    "user_id", "event_id", "occurred_at", "action", "entity_id", "watched_ms", "rating", "marks",
    "page_id",
)  # fmt: skip
"""What the join reads of an event."""

OUTCOME_COLUMNS = (
    "entity_id", "row_id", "row_position", "entity_position", "seen", "clicked", "trailer_played",
    "played", "watched_ms", "completed", "rating", "listed", "hidden", "purchased", "abandoned",
)  # fmt: skip
"""What the join says of an entity."""


def _names(*actions: Action) -> str:
    return "(" + ", ".join(f"'{action.name.lower()}'" for action in actions) + ")"


_PLAYS = _names(Action.PLAY_TRAILER, Action.PLAY_FEATURE, Action.PLAY_LIVE)
_POSITIVE = _names(
    Action.VIEW_DETAILS, Action.CLICK, Action.PLAY_TRAILER, Action.ADD_TO_LIST,
    Action.PLAY_FEATURE, Action.PLAY_LIVE, Action.RATE, Action.PURCHASE, Action.COMPLETE,
)  # fmt: skip

_ACTS = f"""
CREATE TABLE acts AS
SELECT number, entity_id, at_ms, event_id, action, rating, watched_ms, (marks & {STOP}) <> 0 AS stop
FROM (SELECT *, epoch_ms(occurred_at) AS at_ms FROM events WHERE entity_id <> '')
JOIN numbers USING (page_id, user_id);
CREATE TABLE seen AS
SELECT number, entity_id, at_ms
FROM impressions JOIN numbers USING (page_id, user_id);
"""
"""Events of served pages, by the page's number."""

_OUTCOMES = f"""
WITH act AS (SELECT * FROM acts WHERE number BETWEEN $first AND $last),
sight AS (SELECT * FROM seen WHERE number BETWEEN $first AND $last),
touched AS (SELECT number, entity_id FROM act UNION SELECT number, entity_id FROM sight),
place AS (
    SELECT * FROM served SEMI JOIN touched USING (number, entity_id)
    QUALIFY row_number() OVER (
        PARTITION BY number, entity_id ORDER BY record, row_position, entity_position) = 1),
sighted AS (
    SELECT DISTINCT number, entity_id FROM sight JOIN place USING (number, entity_id)
    WHERE at_ms BETWEEN requested_ms AND requested_ms + $window),
acted AS (
    SELECT act.*, at_ms BETWEEN requested_ms AND requested_ms + $window AS inside
    FROM act JOIN place USING (number, entity_id)),
play AS (
    SELECT number, entity_id, at_ms, inside, max(action = 'play_trailer') AS trailer
    FROM acted WHERE NOT stop AND action IN {_PLAYS} GROUP BY ALL),
stop AS (
    SELECT number, entity_id, event_id, min(at_ms) AS at_ms, min(watched_ms) AS watched_ms,
        bool_or(action = 'complete') AS complete, bool_or(inside) AS inside
    FROM acted WHERE stop GROUP BY ALL),
ended AS (
    SELECT number, entity_id, stop.watched_ms, complete, coalesce(trailer, false) AS trailer
    FROM stop ASOF LEFT JOIN play USING (number, entity_id, at_ms)
    WHERE coalesce(play.inside, stop.inside)),
watched AS (
    SELECT number, entity_id, bool_or(complete) AS completed, bool_or(NOT trailer) AS played,
        CAST(coalesce(sum(watched_ms) FILTER (NOT trailer), 0) AS BIGINT) AS watched_ms
    FROM ended GROUP BY ALL),
done AS (
    SELECT number, entity_id,
        bool_or(action IN {_names(Action.CLICK, Action.VIEW_DETAILS)}) AS clicked,
        bool_or(action = 'play_trailer') AS trailer_played,
        bool_or(action IN {_names(Action.PLAY_FEATURE, Action.PLAY_LIVE)}) AS played,
        max({{'at': at_ms, 'id': event_id, 'is': (rating - 1) / 2}})
            FILTER (action = 'rate').is AS rating,
        max({{'at': at_ms, 'id': event_id, 'is': action = 'add_to_list'}})
            FILTER (action IN {_names(Action.ADD_TO_LIST, Action.REMOVE_FROM_LIST)}).is AS listed,
        bool_or(action = 'hide') AS hidden,
        bool_or(action = 'purchase') AS purchased,
        bool_or(action IN {_POSITIVE}) AS positive
    FROM acted WHERE inside AND NOT stop GROUP BY ALL)
SELECT record, entity_id, row_id, row_position, entity_position,
    sighted.number IS NOT NULL AS seen,
    coalesce(clicked, false) AS clicked,
    coalesce(trailer_played, false) AS trailer_played,
    coalesce(done.played, false) OR coalesce(watched.played, false) AS played,
    coalesce(watched.watched_ms, 0) AS watched_ms,
    coalesce(completed, false) AS completed,
    CAST(rating AS FLOAT) AS rating,
    coalesce(listed, false) AS listed,
    coalesce(hidden, false) AS hidden,
    coalesce(purchased, false) AS purchased,
    sighted.number IS NOT NULL AND NOT coalesce(positive, false) AND watched.number IS NULL
        AS abandoned
FROM place
LEFT JOIN sighted USING (number, entity_id)
LEFT JOIN done USING (number, entity_id)
LEFT JOIN watched USING (number, entity_id)
WHERE coalesce(sighted.number, done.number, watched.number) IS NOT NULL
ORDER BY record, row_position, entity_position
"""


class PageJoin:
    """The events of a log, ready to be joined with its pages. Close it after use.

    `events` has EVENT_COLUMNS; `impressions` has `user_id`, `page_id`, `at_ms`, `entity_id`, one
    row an entity seen; `numbers` has `page_id`, `user_id` and the page's `number`.
    """

    def __init__(self, events: pa.Table, impressions: pa.Table, numbers: pa.Table) -> None:
        self._database = duckdb.connect()
        self._database.execute("SET enable_progress_bar = false")
        for name, table in (("events", events), ("impressions", impressions), ("numbers", numbers)):
            self._database.register(name, table)
        self._database.execute(_ACTS)
        for name in ("events", "impressions", "numbers"):
            self._database.unregister(name)

    def outcomes(self, served: pa.Table, first: int, last: int, window_ms: int) -> pa.Table:
        """`record` and OUTCOME_COLUMNS for the pages with the numbers `first` to `last`.

        `served` has a row an entity: `number`, `record`, `requested_ms`, `row_id`, `row_position`,
        `entity_position`, `entity_id`.
        """
        self._database.register("served", served)
        try:
            bounds = {"first": first, "last": last, "window": window_ms}
            return self._database.execute(_OUTCOMES, bounds).to_arrow_table()
        finally:
            self._database.unregister("served")

    def close(self) -> None:
        self._database.close()


def impressions_of(events: pa.Table) -> pa.Table:
    """Explodes impressions: a table with `user_id`, `page_id`, `occurred_at` and `event`."""
    counts: list[int] = []
    entity_ids: list[str] = []
    for value in events["event"].to_pylist():
        before = len(entity_ids)
        for row in events_pb2.InteractionEvent.FromString(value).impression.rows:
            entity_ids.extend(row.entity_ids)
        counts.append(len(entity_ids) - before)
    each = pa.array(np.repeat(np.arange(len(events)), counts))
    return pa.table(
        {
            "user_id": events["user_id"].take(each),
            "page_id": events["page_id"].take(each),
            "at_ms": events["occurred_at"].cast(pa.int64()).take(each),
            "entity_id": pa.array(entity_ids, pa.string()),
        }
    )


def served_entities(pages: Sequence[bytes], numbers: Iterable[int]) -> pa.Table:
    """Explodes served pages: `PageJoin.outcomes` says which columns. Records count from 0."""
    columns: dict[str, list[Any]] = {name: [] for name in ("row_id", "entity_id")}
    lengths, row_positions, records, moments, of_page = [], [], [], [], []
    for record, (value, number) in enumerate(zip(pages, numbers, strict=True)):
        page = events_pb2.PageServed.FromString(value)
        requested_ms = page.requested_at.ToMilliseconds()
        for position, row in enumerate(page.rows):
            columns["entity_id"].extend(row.entity_ids)
            columns["row_id"].append(row.row_id)
            lengths.append(len(row.entity_ids))
            row_positions.append(position)
            records.append(record)
            moments.append(requested_ms)
            of_page.append(number)
    length_R = np.array(lengths, np.int64)
    each = np.repeat(np.arange(len(lengths)), length_R)
    begin_R = np.cumsum(length_R) - length_R
    return pa.table(
        {
            "number": np.array(of_page, np.int64)[each],
            "record": np.array(records, np.int64)[each],
            "requested_ms": np.array(moments, np.int64)[each],
            "row_id": pc.take(pa.array(columns["row_id"], pa.string()), pa.array(each)),
            "row_position": np.array(row_positions, np.int32)[each],
            "entity_position": (np.arange(len(each)) - begin_R[each]).astype(np.int32),
            "entity_id": pa.array(columns["entity_id"], pa.string()),
        }
    )
