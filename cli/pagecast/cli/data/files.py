"""Writes a data set as JSON lines: what `pagecast publish` takes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from pagecast.cli.data.movielens import Shift, catalog_changes, interactions, profiles
from pagecast.cli.data.source import MovieLens
from pagecast.cli.output_files import replacing

CATALOG, PROFILES, INTERACTIONS = "catalog.jsonl", "profiles.jsonl", "interactions.jsonl"
FIRST_SLICE, NEXT_SLICE = "interactions-first.jsonl", "interactions-next.jsonl"


@dataclass(frozen=True, kw_only=True)
class WrittenFile:
    path: Path
    lines: int


def write_data_set(data: MovieLens, shift: Shift, folder: Path) -> list[WrittenFile]:
    """Writes `catalog.jsonl`, `profiles.jsonl` and `interactions.jsonl`, each atomically."""
    events = (event for _, event in interactions(data, shift))
    return [
        *_write_catalog_and_profiles(data, shift, folder),
        _write_lines(folder / INTERACTIONS, events),
    ]


@dataclass(frozen=True, kw_only=True)
class Slices:
    """A data set cut in two by time: no event of the second slice is before `cut_ms`."""

    catalog: WrittenFile
    profiles: WrittenFile
    first: WrittenFile
    next: WrittenFile
    cut_ms: int


def write_slices(data: MovieLens, shift: Shift, folder: Path, share: float) -> Slices:
    """Cuts the timeline, not the rows, at `share` of the time from the first event to the last."""
    begin_s, end_s = data.ratings[0].at_s, data.ratings[-1].at_s
    cut_ms = shift.at_ms(begin_s) + int((end_s - begin_s) * 1000 * share)
    first, following = folder / FIRST_SLICE, folder / NEXT_SLICE
    catalog, profile = _write_catalog_and_profiles(data, shift, folder)
    lines = [0, 0]
    with replacing(first) as early, replacing(following) as late:
        for at_ms, event in interactions(data, shift):
            part = int(at_ms >= cut_ms)
            _write_line((early, late)[part], event)
            lines[part] += 1
    return Slices(
        catalog=catalog,
        profiles=profile,
        first=WrittenFile(path=first, lines=lines[0]),
        next=WrittenFile(path=following, lines=lines[1]),
        cut_ms=cut_ms,
    )


def _write_catalog_and_profiles(
    data: MovieLens, shift: Shift, folder: Path
) -> tuple[WrittenFile, WrittenFile]:
    folder.mkdir(parents=True, exist_ok=True)
    return (
        _write_lines(folder / CATALOG, map(_json, catalog_changes(data, shift))),
        _write_lines(folder / PROFILES, map(_json, profiles(data, shift))),
    )


def _json(message: Message) -> dict[str, Any]:
    return MessageToDict(message)


def _write_lines(path: Path, values: Iterable[Mapping[str, Any]]) -> WrittenFile:
    lines = 0
    with replacing(path) as file:
        for value in values:
            _write_line(file, value)
            lines += 1
    return WrittenFile(path=path, lines=lines)


def _write_line(file: TextIO, value: Mapping[str, Any]) -> None:
    file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
