"""The labelled rows of a task, from JSON lines or Parquet, each checked where it is read.

Letters: X rows.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_MAX = 1_000_000
"""Rows of a task: prompts and labels are held in memory."""

ROWS_MIN = 20
"""Fewer cannot be cut into what is fitted, chosen on and tested on."""

CLASSES_MAX = 1_000
"""Different texts among the labels: more would be ids, not classes."""

ID_BYTES_MAX = 256
"""As everywhere in the contracts."""

FIELDS = ("user_id", "at", "entity_id", "label")

Label = bool | float | str


class TaskError(ValueError):
    """A task cannot be fitted; the message names line, field and remedy."""


class LabelKind(StrEnum):
    """What is predicted: a chance, a number, or a chance of each class."""

    BINARY = "binary"
    REAL = "real"
    CLASS = "class"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A label of a user at a moment. `entity_id` is "" for a task without entities."""

    user_id: str
    at_ms: int
    entity_id: str
    label: Label


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Rows in time order. `label_X` is 0 or 1, a number, or the index of a class."""

    rows: tuple[TaskRow, ...]
    kind: LabelKind
    classes: tuple[str, ...] = ()

    @property
    def of_entities(self) -> bool:
        return self.rows[0].entity_id != ""

    @property
    def label_X(self) -> npt.NDArray[np.float32]:
        if self.kind is LabelKind.CLASS:
            index = {name: number for number, name in enumerate(self.classes)}
            return np.array([index[str(row.label)] for row in self.rows], np.float32)
        return np.array([float(row.label) for row in self.rows], np.float32)


def read_task(path: Path) -> Task:
    """Reads `.parquet`, or JSON lines in any other file. Raises TaskError."""
    try:
        found = list(_rows(path))
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        told = str(error).splitlines()[0]
        raise TaskError(f"{path}: cannot be read: {told}: give JSON lines or Parquet") from error
    if len(found) < ROWS_MIN:
        raise TaskError(f"{path}: {len(found)} rows; give at least {ROWS_MIN}")
    _refuse_mixed(found)
    kind = _kind(found)
    rows = tuple(sorted((row for _, row in found), key=lambda row: row.at_ms))
    classes = tuple(sorted({str(r.label) for r in rows})) if kind is LabelKind.CLASS else ()
    if len(classes) > CLASSES_MAX:
        raise TaskError(f"{path}: {len(classes)} classes; at most {CLASSES_MAX}")
    return Task(rows=rows, kind=kind, classes=classes)


def _rows(path: Path) -> Iterator[tuple[str, TaskRow]]:
    """Rows with where they stand."""
    for place, (where, fields) in enumerate(_read(path)):
        if place == ROWS_MAX:
            raise TaskError(f"{path}: more than {ROWS_MAX} rows; give a sample")
        yield where, _row(where, fields)


def _read(path: Path) -> Iterator[tuple[str, Any]]:
    if path.suffix == ".parquet":
        number = 0
        for batch in pq.ParquetFile(path).iter_batches():
            for fields in batch.to_pylist():
                number += 1
                yield f"row {number}", fields
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"line {number}", _json(f"line {number}", line)


def _json(where: str, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise TaskError(f"{where}: not JSON ({error}): write one object a line") from error


def _row(where: str, fields: Any) -> TaskRow:
    if not isinstance(fields, Mapping):
        raise TaskError(f"{where}: no object: write {{{', '.join(FIELDS)}}}")
    if unknown := sorted(set(fields) - set(FIELDS)):
        raise TaskError(f"{where}: `{unknown[0]}`: unknown; the fields are {', '.join(FIELDS)}")
    for name in ("user_id", "at", "label"):
        if fields.get(name) is None:
            raise TaskError(f"{where}: `{name}`: missing; every row has one")
    entity_id = fields.get("entity_id")
    return TaskRow(
        user_id=_id(where, "user_id", fields["user_id"]),
        at_ms=_moment(where, fields["at"]),
        entity_id="" if entity_id is None else _id(where, "entity_id", entity_id),
        label=_label(where, fields["label"]),
    )


def _id(where: str, name: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value.encode()) <= ID_BYTES_MAX:
        raise TaskError(f"{where}: `{name}`: {value!r}: write a text of 1 to {ID_BYTES_MAX} bytes")
    return value


def _moment(where: str, value: object) -> int:
    """Milliseconds since 1970."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise TaskError(
            f"{where}: `at`: {value!r} is no moment: write RFC 3339 with its zone, such as "
            "2026-01-05T12:00:00Z, or whole milliseconds since 1970"
        )
    return round(moment.astimezone(UTC).timestamp() * 1000)


def _label(where: str, value: object) -> Label:
    if isinstance(value, bool | str) or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    raise TaskError(f"{where}: `label`: {value!r}: write true or false, a number, or a class")


def _refuse_mixed(found: Iterable[tuple[str, TaskRow]]) -> None:
    """All rows name an entity or none does; labels are all texts or none is."""
    (_, first), *others = found
    for where, row in others:
        if (row.entity_id == "") != (first.entity_id == ""):
            raise TaskError(f"{where}: `entity_id`: give one in every row, or in none")
        if isinstance(row.label, str) != isinstance(first.label, str):
            raise TaskError(
                f"{where}: `label`: {row.label!r} is not of the first row's kind: write all as "
                "classes, or all as numbers"
            )


def _kind(found: Iterable[tuple[str, TaskRow]]) -> LabelKind:
    labels = {row.label for _, row in found}
    if isinstance(next(iter(labels)), str):
        return LabelKind.CLASS
    return LabelKind.BINARY if labels <= {0, 1} else LabelKind.REAL
