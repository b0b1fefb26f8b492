"""A folder in the interchange format, written by the test that reads it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from factories import START_MS, genre_row, movie, play, rate, top_row, upsert
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from pagecast.v1 import events_pb2

ENTITIES, USERS, STEPS = 12, 8, 6

MINUTE_MS = 60_000


def write_lines(path: Path, messages: Iterable[Message | dict[str, Any]]) -> None:
    rows = [m if isinstance(m, dict) else MessageToDict(m) for m in messages]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def write_catalog(folder: Path) -> None:
    entities = [movie(f"e{i}", ("Action", "Drama")[i % 2]) for i in range(ENTITIES)]
    rows = [top_row(), genre_row("Action"), genre_row("Drama")]
    write_lines(folder / "catalog.jsonl", [upsert(change) for change in (*rows, *entities)])


def walk(user: int) -> list[events_pb2.InteractionEvent]:
    """A Play and a Rate of every entity of a walk, which began a little after the one before."""
    moments = [START_MS + user * 1000 + step * MINUTE_MS for step in range(STEPS)]
    entities = [f"e{(user + step) % ENTITIES}" for step in range(STEPS)]
    return [
        event
        for entity, at_ms in zip(entities, moments, strict=True)
        for event in (play(f"{user}", entity, at_ms), rate(f"{user}", entity, 4.0, at_ms))
    ]


def write_folder(folder: Path) -> Path:
    """Eight users, six interactions each, in two files."""
    folder.mkdir(parents=True, exist_ok=True)
    write_catalog(folder)
    walks = [walk(user) for user in range(USERS)]
    write_lines(folder / "interactions-1.jsonl", [e for events in walks[:4] for e in events])
    write_lines(folder / "interactions-2.jsonl", [e for events in walks[4:] for e in events])
    return folder
