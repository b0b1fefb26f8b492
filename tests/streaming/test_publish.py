"""JSON lines go to their topics; a wrong line is named by file, line and field."""

import json
from pathlib import Path
from typing import Any

import pytest
from eventlog.factories_eventlog import read_all
from factories import START_MS, genre_row, movie, play, rate, timestamp, upsert
from google.protobuf import json_format

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PROFILES
from pagecast.streaming.publish import (
    LINE_BYTES_MAX,
    PROGRESS_LINES,
    LineRefused,
    publish_files,
    read_publications,
)
from pagecast.v1 import catalog_pb2, events_pb2

EVENT = json_format.MessageToDict(play("ann", "heat"))
FILM = json_format.MessageToDict(upsert(movie("heat", "Crime")))


def lines(*messages: Any) -> list[bytes]:
    return [json_format.MessageToJson(m, indent=None).encode() + b"\n" for m in messages]


def test_every_kind_of_message_goes_to_its_topic_with_its_key(
    bootstrap: str, tmp_path: Path
) -> None:
    profile = events_pb2.ProfileChange(user_id="ann", occurred_at=timestamp(START_MS))
    retired = catalog_pb2.CatalogChange(occurred_at=timestamp(START_MS), retire_entity_id="ran")
    messages = [upsert(movie("heat")), upsert(genre_row("Crime")), retired, rate("bob", "heat")]
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_bytes(b"".join(lines(*messages)))
    second.write_bytes(b"\n".join(lines(profile)) + b"\n  \n")
    with EventProducer(bootstrap) as producer:
        counts = publish_files(producer, [first, second])
    assert counts == {CATALOG: 3, INTERACTIONS: 1, PROFILES: 1}
    changes = read_all(bootstrap, CATALOG, 3)
    assert [r.key for r in changes] == [b"heat", b"genre-crime", b"ran"]
    assert [catalog_pb2.CatalogChange.FromString(r.value) for r in changes] == messages[:3]
    [event] = read_all(bootstrap, INTERACTIONS, 1)
    assert (event.key, event.value) == (b"bob", messages[3].SerializeToString())
    [known] = read_all(bootstrap, PROFILES, 1)
    assert (known.key, known.value) == (b"ann", profile.SerializeToString())


def test_progress_adds_up_to_the_size_of_the_files(bootstrap: str, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    events = [play("ann", f"film-{i}", START_MS + i) for i in range(2 * PROGRESS_LINES + 10)]
    file.write_bytes(b"".join(lines(*events)))
    told: list[int] = []
    with EventProducer(bootstrap) as producer:
        publish_files(producer, [file], told.append)
    assert sum(told) == file.stat().st_size
    assert len(told) == 3


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ("{}", "neither an InteractionEvent"),
        ("[" * 100_000, "not JSON"),
        ({**EVENT, "play": {"entityId": "heat", "kind": 1e999}}, "a number or a text"),
        ({**EVENT, "play": {"entityId": "heat", "kind": "\ud800"}}, "a number or a text"),
        ({**EVENT, "context": "\ud800"}, "a number or a text"),
        ({**EVENT, "colour": "red"}, "colour"),
        ({**EVENT, "play": {"entityId": "heat", "speed": 2}}, "speed"),
        ({**EVENT, "occurredAt": "yesterday"}, "occurredAt"),
        ({**EVENT, "userId": 7}, "userId"),
        ({**EVENT, "click": {"entityId": "ran"}}, "action"),
        ({**EVENT, "eventId": "7"}, "event_id: does not match"),
        ({"userId": "ann", "play": {"entityId": "heat"}}, "event_id: "),
        ({**EVENT, "occurredAt": "2999-01-01T00:00:00Z"}, "occurred_at: .*clock"),
        ({**EVENT, "context": {"device": "x" * 300_000}}, "context.device"),
        (
            {**{k: v for k, v in EVENT.items() if k != "play"}, "userForgotten": {}},
            "user_forgotten: .*pagecast forget",
        ),
        ({**FILM, "upsertEntity": {"entityId": "heat"}}, r"upsert_entity\.\w+: "),
        ({"userId": "ann", "maturityLimit": 12}, "occurred_at: "),
    ],
)
def test_a_wrong_line_is_named_by_file_line_and_field(line: Any, complaint: str) -> None:
    text = line if isinstance(line, str) else json.dumps(line)
    good = json.dumps(EVENT)
    reading = read_publications("day.jsonl", [good.encode(), b"", text.encode(), good.encode()])
    assert next(reading).key == "ann"
    with pytest.raises(LineRefused, match=rf"^day\.jsonl:3: .*{complaint}"):
        next(reading)


def test_what_is_before_a_wrong_line_is_sent(bootstrap: str, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(json.dumps(EVENT).encode() + b"\nnonsense\n")
    complaint = r"events\.jsonl:2: not JSON"
    with EventProducer(bootstrap) as producer, pytest.raises(LineRefused, match=complaint):
        publish_files(producer, [file])
    assert len(read_all(bootstrap, INTERACTIONS, 1)) == 1


def test_a_line_that_does_not_end_is_not_read_whole(bootstrap: str, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"x" * (LINE_BYTES_MAX + 10))
    with EventProducer(bootstrap) as producer, pytest.raises(LineRefused, match="longer than"):
        publish_files(producer, [file])


def test_an_event_too_large_for_ingest_is_refused_here() -> None:
    seen = {"rowId": "r", "entityIds": ["e" * 256] * 100}
    event = {**EVENT, "impression": {"rows": [seen] * 40}}
    del event["play"]
    with pytest.raises(LineRefused, match="bytes; at most 262144 are taken"):
        list(read_publications("day.jsonl", [json.dumps(event).encode()]))
