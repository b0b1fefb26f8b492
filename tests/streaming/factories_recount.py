"""What must be in the stores, counted from the log by other means than those of the code.

It knows what a `World` can send, and nothing of folds, floors or positions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from streaming.factories_streaming import Positions, Stored
from streaming.factories_worlds import BAD

from pagecast.eventlog.admin import topic_ids
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PAGES, PROFILES, dead_letter
from pagecast.v1 import catalog_pb2, events_pb2

Place = tuple[str, int, int]

COUNTED = {
    "rate": lambda event: True,
    "purchase": lambda event: True,
    "play": lambda event: event.play.kind != events_pb2.PLAY_KIND_TRAILER,
}
"""What makes an entity popular, as docs/events.md says."""

WEEK_MS = 7 * 24 * 60 * 60 * 1000


@dataclass(kw_only=True)
class Recount:
    """What the log says."""

    offline: dict[Place, bytes] = field(default_factory=dict)
    pages: dict[Place, bytes] = field(default_factory=dict)
    next_offsets: dict[str, int] = field(default_factory=dict)
    """By user: the offset after the last event that is no retry and was not erased."""
    popularity: dict[str, float] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)
    """Of the profiles there are."""
    titles: dict[str, str | None] = field(default_factory=dict)
    """Of the entities; None of those that are retired."""
    catalog_number: int = 0
    receipts: set[str] = field(default_factory=set)
    refused: set[tuple[int, int]] = field(default_factory=set)
    """(partition, offset) of the interaction topic."""


def recount(bootstrap: str, positions: Positions) -> Recount:
    """Reads the topics up to these positions, with nothing but kafka-python, and counts."""
    counted, ids = Recount(), topic_ids(bootstrap)
    floors = _interactions(counted, bootstrap, positions)
    for record in _records(bootstrap, PAGES, positions):
        page = events_pb2.PageServed.FromString(record.value)
        if page.history_version.next_offset > floors.get(page.user_id, -1):
            counted.pages[_place(ids, record)] = record.value
    for record in _records(bootstrap, PROFILES, positions):
        user_id = record.key.decode()
        counted.languages.pop(user_id, None)
        if record.value is not None:
            change = events_pb2.ProfileChange.FromString(record.value)
            counted.languages[user_id] = change.language
    for record in _records(bootstrap, CATALOG, positions):
        change = catalog_pb2.CatalogChange.FromString(record.value)
        entity_id = change.upsert_entity.entity_id or change.retire_entity_id
        title = change.upsert_entity.title or None
        # A change to what is already so takes no number; a world's upserts differ in their titles.
        if counted.titles.get(entity_id) != title:
            counted.catalog_number += 1
        counted.titles[entity_id] = title
    return counted


def _interactions(counted: Recount, bootstrap: str, positions: Positions) -> dict[str, int]:
    """Returns after which offset each user who was forgotten begins anew."""
    floors: dict[str, int] = {}
    seen: dict[str, set[str]] = {}
    rows: dict[str, dict[Place, bytes]] = {}
    counts: list[tuple[str, int]] = []
    ids = topic_ids(bootstrap)
    for record in _records(bootstrap, INTERACTIONS, positions):
        if record.value.startswith(BAD):
            counted.refused.add((record.partition, record.offset))
            continue
        event = events_pb2.InteractionEvent.FromString(record.value)
        user, action = event.user_id, event.WhichOneof("action")
        if action == "user_forgotten":
            if event.event_id not in counted.receipts:
                counted.receipts.add(event.event_id)
                floors[user] = record.offset + 1
                seen[user], rows[user] = set(), {}
                counted.next_offsets.pop(user, None)
            continue
        rows.setdefault(user, {})[_place(ids, record)] = record.value
        if event.event_id in seen.setdefault(user, set()):
            continue
        seen[user].add(event.event_id)
        counted.next_offsets[user] = record.offset + 1
        if COUNTED.get(action, lambda _: False)(event):
            counts.append((getattr(event, action).entity_id, event.occurred_at.ToMilliseconds()))
    counted.offline = {place: value for of in rows.values() for place, value in of.items()}
    newest_ms = max((at_ms for _, at_ms in counts), default=0)
    for entity_id, at_ms in counts:
        score = 0.5 ** ((newest_ms - at_ms) / WEEK_MS)
        counted.popularity[entity_id] = counted.popularity.get(entity_id, 0.0) + score
    return floors


def check(stored: Stored, counted: Recount) -> None:
    """Raises AssertionError if the stores do not hold what the log says."""
    offline, pages = dict(_by_place(stored.offline)), dict(_by_place(stored.pages))
    assert offline == counted.offline, _difference("events", offline, counted.offline)
    assert len(stored.offline) == len(counted.offline), "each event once"
    assert pages == counted.pages, _difference("pages", pages, counted.pages)
    assert len(stored.pages) == len(counted.pages), "each page once"
    versions = {user: at.next_offset for user, at in stored.versions.items()}
    assert versions == counted.next_offsets, "history versions"
    assert stored.popularity.keys() == counted.popularity.keys()
    for entity_id, score in counted.popularity.items():
        assert abs(stored.popularity[entity_id] - score) < 1e-6, f"popularity of {entity_id}"
    languages = {user: p.language for user, p in stored.profiles.items() if p.language}
    assert languages == counted.languages, "profiles"
    titles = {e.entity_id: None if e.retired else e.title for e in stored.catalog.entities}
    known = {e: title for e, title in counted.titles.items() if title is not None or e in titles}
    assert titles == known, "catalog"
    assert stored.catalog.number == counted.catalog_number, "numbers of the catalog's changes"
    assert stored.erasures.keys() == counted.receipts, "every order has its receipt"
    assert all(stored.erasures.values()), "and is complete"


def check_letters(bootstrap: str, counted: Recount) -> None:
    """Every bad record has a letter; one that was met twice may have two."""
    letters = _records(bootstrap, dead_letter(INTERACTIONS), {})
    headers = [dict(letter.headers) for letter in letters]
    found = {(int(h["dlt_partition"]), int(h["dlt_offset"])) for h in headers}
    assert found == counted.refused


def _difference(of: str, found: dict[Place, bytes], expected: dict[Place, bytes]) -> str:
    lost = sorted(expected.keys() - found.keys())
    left = sorted(found.keys() - expected.keys())
    return f"{of} of the offline log: lost {lost[:20]}, not to be there {left[:20]}"


def _by_place(rows: list[tuple[str, int, int, bytes]]) -> Iterator[tuple[Place, bytes]]:
    return ((row[:3], row[3]) for row in rows)


def _place(ids: dict[str, str], record: Any) -> Place:
    return (ids[record.topic], record.partition, record.offset)


def _records(bootstrap: str, topic: str, positions: Positions) -> Iterator[Any]:
    """The records of a topic in order of (partition, offset): up to the positions, or all."""
    client = KafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        places = [TopicPartition(topic, n) for n in client.partitions_for_topic(topic)]
        client.assign(places)
        records: dict[int, list[Any]] = {place.partition: [] for place in places}
        idle = 0
        while idle < 5 and (not positions or _missing(topic, records, positions)):
            polled = client.poll(timeout_ms=200, max_records=10_000)
            idle = 0 if polled else idle + 1
            for place, batch in polled.items():
                records[place.partition] += batch
    finally:
        client.close(autocommit=False, timeout_ms=1000)
    for partition in sorted(records):
        end = positions.get((topic, partition), 0) if positions else 2**62
        yield from (record for record in records[partition] if record.offset < end)


def _missing(topic: str, records: dict[int, list[Any]], positions: Positions) -> bool:
    return any(
        not records[partition] or records[partition][-1].offset + 1 < end
        for (at, partition), end in positions.items()
        if at == topic and end
    )
