"""Compaction: merges the small parts of a day into few, beside appenders and readers.

A worker writes a part a second, and reading a day from 86,400 files takes minutes. Merged parts
hold each key once, and are of the newest schema version.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pagecast.featurestore.offline.dataset import Dataset
from pagecast.featurestore.offline.files import sweep
from pagecast.featurestore.offline.ordering import in_order
from pagecast.featurestore.offline.parts import Kind, Part, list_parts
from pagecast.featurestore.offline.positions import is_visible

MERGE_BYTES_MAX = 32 * 1024 * 1024
"""Parts are merged up to this many bytes together: about half a million events, or 0.3 GB as
columns in memory. A part of half this size is large enough and stays as it is."""


class Compacted(NamedTuple):
    """What a compaction did."""

    parts_before: int
    parts_after: int
    bytes_before: int
    bytes_after: int

    def plus(self, other: "Compacted") -> "Compacted":
        return Compacted(*(a + b for a, b in zip(self, other, strict=True)))


def compact(dataset: Dataset, day: str | None = None) -> Compacted:
    """Merges the small visible parts of a day (`2026-01-05`), or of all days.

    The lock is held for one merged part at a time, so that an erasure need not wait for all. Raises
    OSError, for example if the disk is full; the log stays whole.
    """
    done = Compacted(0, 0, 0, 0)
    if not dataset.root.exists():
        return done
    with dataset.changing():
        sweep(dataset.root)
    for folder in sorted(dataset.root.glob(f"day={day or '*'}")):
        done = done.plus(_compact_day(dataset, folder))
    return done


def _compact_day(dataset: Dataset, folder: Path) -> Compacted:
    before = _parts(dataset, folder)
    bytes_before = sum(map(_size, before))
    for several in list(_to_merge(before)):
        with dataset.changing():
            # An erasure may have written some of them anew since they were listed.
            if all(part.path.exists() for part in several):
                _merge(dataset, several)
    after = _parts(dataset, folder)
    return Compacted(len(before), len(after), bytes_before, sum(map(_size, after)))


def _parts(dataset: Dataset, folder: Path) -> list[Part]:
    reached = dataset.positions.reached()
    parts = [part for part in list_parts(dataset.root) if part.path.parent == folder]
    return [part for part in parts if is_visible(part, reached)]


def _to_merge(parts: Iterable[Part]) -> Iterator[Sequence[Part]]:
    """Neighbouring small parts of one partition, at most MERGE_BYTES_MAX together."""
    named = sorted((part for part in parts if part.name is not None), key=_place)
    for _, group in groupby(named, key=lambda part: _place(part)[:2]):
        several: list[Part] = []
        size = 0
        for part in group:
            if _size(part) >= MERGE_BYTES_MAX // 2:
                continue
            if several and size + _size(part) > MERGE_BYTES_MAX:
                yield several
                several, size = [], 0
            several.append(part)
            size += _size(part)
        if len(several) > 1 or any(p.name and p.name.kind is Kind.VERSION_1 for p in several):
            yield several


def _place(part: Part) -> tuple[str, int, int]:
    assert part.name is not None
    return part.name.topic, part.name.partition, part.name.first


def _merge(dataset: Dataset, parts: Sequence[Part]) -> None:
    table = in_order(dataset.read_parts(parts, dataset.schema.columns.names))
    dataset.replace([part.path for part in parts], Kind.MERGED, table)


def _size(part: Part) -> int:
    return part.path.stat().st_size if part.path.exists() else 0
