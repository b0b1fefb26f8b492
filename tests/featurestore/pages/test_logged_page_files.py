"""Logged pages as files; JSON lines are tested in `tests/cli/test_offline.py`."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from featurestore.factories_offline import on_page, page, row_of

from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.pages.logged_page_files import Written, write_logged_pages
from pagecast.v1 import events_pb2

SERVED = page(0, ["e1", "e2"])


def seen_page(root: Path) -> OfflineLog:
    """A page of which one entity was seen and left."""
    log = OfflineLog(root)
    log.append_pages([SERVED])
    row = events_pb2.SeenRow(row_id="r0", entity_ids=["e1"])
    log.append([row_of(on_page(impression=events_pb2.Impression(rows=[row])))])
    return log


def test_pages_are_written_as_parquet_and_replace_what_was_there(tmp_path: Path) -> None:
    log, path = seen_page(tmp_path / "log"), tmp_path / "pages.parquet"
    path.write_text("of yesterday")
    assert write_logged_pages(log, path) == Written(1, 1)
    (page,) = pq.read_table(path).to_pylist()
    assert page["page"] == SERVED.value
    assert [entity["rating"] for entity in page["entities"]] == [None]


def test_a_log_without_pages_gives_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "pages.parquet"
    assert write_logged_pages(OfflineLog(tmp_path / "none"), path) == Written(0, 0)
    assert len(pq.read_table(path)) == 0


def test_a_failed_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text("of yesterday")
    with pytest.raises(ValueError, match="window_ms"):
        write_logged_pages(seen_page(tmp_path / "log"), path, window_ms=-1)
    assert path.read_text() == "of yesterday"
    assert list(tmp_path.glob(".pages*")) == []


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="end its name with"):
        write_logged_pages(OfflineLog(tmp_path), tmp_path / "pages.csv")
