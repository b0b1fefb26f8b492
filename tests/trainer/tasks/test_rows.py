"""Rows of a task are right, or the first wrong one is named with what to write instead."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trainer.factories_tasks import written

from pagecast.trainer.tasks.rows import ROWS_MIN, LabelKind, TaskError, read_task
from pagecast.trainer.tasks.run import fitted_rows

AT = "2026-01-05T12:00:00+01:00"


def rows(count: int = ROWS_MIN, **fields: Any) -> list[dict[str, Any]]:
    return [
        {"user_id": "u", "at": 1000 + number, "label": number % 2, **fields}
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("labels", "kind", "classes"),
    [
        ([True, False], LabelKind.BINARY, ()),
        ([1, 0], LabelKind.BINARY, ()),
        ([1, 2.5], LabelKind.REAL, ()),
        (["b", "a"], LabelKind.CLASS, ("a", "b")),
    ],
)
def test_the_labels_say_what_is_predicted(
    tmp_path: Path, labels: list[object], kind: LabelKind, classes: tuple[str, ...]
) -> None:
    given = [row | {"label": labels[row["label"]]} for row in rows()]
    task = read_task(written(tmp_path / "rows.jsonl", given))
    assert (task.kind, task.classes) == (kind, classes)
    assert not task.of_entities


def test_rows_are_in_time_order_and_moments_in_milliseconds(tmp_path: Path) -> None:
    given = [row | {"at": AT} for row in rows(1)] + rows()
    task = read_task(written(tmp_path / "rows.jsonl", given))
    assert [row.at_ms for row in task.rows[:2]] == [1000, 1001]
    assert task.rows[-1].at_ms == 1_767_610_800_000


def test_parquet_says_what_json_lines_say(tmp_path: Path) -> None:
    given = [row | {"entity_id": "e"} for row in rows()]
    moments = [row | {"at": datetime.fromtimestamp(row["at"] / 1000, UTC)} for row in given]
    pq.write_table(pa.Table.from_pylist(moments), tmp_path / "rows.parquet")
    found, expected = (
        read_task(tmp_path / "rows.parquet"),
        read_task(written(tmp_path / "rows.jsonl", given)),
    )
    assert found.rows == expected.rows
    np.testing.assert_array_equal(found.label_X, expected.label_X)
    assert found.of_entities


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"user_id": None}, "line 3: `user_id`: missing"),
        ({"user_id": 7}, "line 3: `user_id`: 7: write a text of 1 to 256 bytes"),
        ({"user_id": "u" * 257}, "line 3: `user_id`: .*1 to 256 bytes"),
        ({"at": "yesterday"}, "line 3: `at`: 'yesterday' is no moment: write RFC 3339"),
        ({"at": "2026-01-05T12:00:00"}, "line 3: `at`: .*with its zone"),
        ({"at": 1.5}, "line 3: `at`: 1.5 is no moment"),
        ({"at": True}, "line 3: `at`: True is no moment"),
        ({"label": [1]}, r"line 3: `label`: \[1\]: write true or false, a number, or a class"),
        ({"label": float("nan")}, "line 3: `label`: nan: write"),
        ({"label": "yes"}, "line 3: `label`: 'yes' is not of the first row's kind"),
        ({"entity_id": "e"}, "line 3: `entity_id`: give one in every row, or in none"),
        ({"weight": 1}, "line 3: `weight`: unknown; the fields are user_id, at, entity_id, label"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, change: dict[str, object], told: str) -> None:
    given = rows()
    given[2] |= change
    with pytest.raises(TaskError, match=told):
        read_task(written(tmp_path / "rows.jsonl", given))


@pytest.mark.parametrize(
    ("line", "told"),
    [("{", "line 1: not JSON .*write one object a line"), ("[1]", "line 1: no object: write")],
)
def test_a_line_that_is_no_object_is_named(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "rows.jsonl").write_text(f"{line}\n")
    with pytest.raises(TaskError, match=told):
        read_task(tmp_path / "rows.jsonl")


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="19 rows; give at least 20"):
        read_task(written(tmp_path / "rows.jsonl", rows(ROWS_MIN - 1)))


@pytest.mark.parametrize("name", ["none.jsonl", "rows.parquet"])
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"junk")
    with pytest.raises(TaskError, match=f"{name}: cannot be read: .*give JSON lines or Parquet"):
        read_task(tmp_path / name)


def test_no_moment_is_both_fitted_and_tested(tmp_path: Path) -> None:
    given = [row | {"at": 1000 + row["at"] // 4 * 4} for row in rows()]
    task = read_task(written(tmp_path / "rows.jsonl", given))
    fitted = fitted_rows(task, 0.25)
    assert 0 < fitted < len(task.rows)
    assert task.rows[fitted - 1].at_ms < task.rows[fitted].at_ms


def test_labels_that_are_all_alike_cannot_be_fitted(tmp_path: Path) -> None:
    given = [row | {"label": int(row["at"] > 1015)} for row in rows()]
    task = read_task(written(tmp_path / "rows.jsonl", given))
    with pytest.raises(
        TaskError, match="`label`: the 16 rows before the newest 4 have 1 different"
    ):
        fitted_rows(task, 0.2)
