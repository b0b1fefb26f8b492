"""The names of part files: they say what is in a part without opening it."""

import hashlib
import re
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa


class Kind(StrEnum):
    """Where a part came from."""

    VERSION_1 = "part"
    """Appended before positions were recorded; visible."""
    APPENDED = "rows"
    """One batch's rows of a day; visible once its partition's position has passed them."""
    MERGED = "merged"
    """Made by compaction from visible parts; visible."""


class PartName(NamedTuple):
    """One partition's rows of one day, from the offset `first` to `last`, with gaps.

    Parts do not change: one with other rows has another name, even between the same offsets.
    """

    kind: Kind
    topic: str
    """`digest` of the topic id."""
    partition: int
    first: int
    last: int
    content: str | None
    """`content_digest` of the file; parts of version 1 have none in their names."""

    def __str__(self) -> str:
        fields = (self.kind, self.topic, self.partition, self.first, self.last, self.content)
        return "-".join(str(field) for field in fields if field is not None) + ".parquet"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """None for a file that somebody else has named."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        kind, topic, partition, first, last, content = found.groups()
        return cls(Kind(kind), topic, int(partition), int(first), int(last), content)


class Part(NamedTuple):
    """A part file."""

    path: Path
    name: PartName | None

    @classmethod
    def at(cls, path: Path) -> Self:
        return cls(path, PartName.parse(path.name))


_NAME = re.compile(r"(part|rows|merged)-([0-9a-f]+)-(\d+)-(\d+)-(\d+)(?:-([0-9a-f]+))?\.parquet")

DIGEST_DIGITS = 16
"""Enough that no two names collide by chance; parts of version 1 have 8 digits for the topic."""


def digest(topic_id: str) -> str:
    """Stands for a topic id, which may have characters that a file name must not have."""
    return content_digest(topic_id.encode())


def content_digest(content: pa.Buffer | bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGEST_DIGITS]


def same_topic(name: PartName, topic_digest: str) -> bool:
    """Whether the part holds rows of this topic."""
    return topic_digest.startswith(name.topic)


def list_parts(dataset: Path) -> list[Part]:
    """All parts, in the order of their names; day folders are the only folders read."""
    return [Part.at(path) for path in sorted(dataset.glob("day=*/[!._]*.parquet"))]
