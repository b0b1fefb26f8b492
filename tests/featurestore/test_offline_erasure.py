"""An erased user is in no file of the offline log."""

from pathlib import Path

import pyarrow.parquet as pq
from factories import START_MS
from featurestore.factories_offline import DAY_MS, TOPIC, logged, page, parts
from featurestore.test_offline import version_1

from pagecast.featurestore.offline import OfflineLog
from pagecast.v1 import events_pb2


def files_with(root: Path, user_id: str) -> list[Path]:
    """Files with the id in their bytes, or in any decoded value, or in a name."""
    found = []
    for path in root.rglob("*"):
        if path.is_file():
            content = path.read_bytes() + str(path).encode()
            if path.suffix == ".parquet":
                metadata = pq.read_metadata(path)
                content += str([metadata.row_group(0).to_dict(), metadata.metadata]).encode()
                for column in pq.read_table(path).to_pydict().values():
                    content += b"".join(
                        value if isinstance(value, bytes) else str(value).encode()
                        for value in column
                    )
            if user_id.encode() in content:
                found.append(path)
    return found


def two_users(root: Path) -> OfflineLog:
    log = OfflineLog(root)
    for offset in range(0, 40, 4):
        rows = [
            logged(offset + n, user_id=user, at_ms=START_MS + offset % 3 * DAY_MS)
            for n, user in enumerate(("ann-the-first", "ben-the-second") * 2)
        ]
        log.append(rows)
        log.append_pages(
            [
                page(offset + n, ["e1"], page_id=f"p{n}-{offset}", user_id=user)
                for n, user in enumerate(("ann-the-first", "ben-the-second"))
            ]
        )
    return log


def test_nothing_of_the_user_is_left_in_any_file(tmp_path: Path) -> None:
    log = two_users(tmp_path)
    others = [row for row in log.read() if row.token.user_id == "ann-the-first"]
    assert files_with(tmp_path, "ben-the-second")
    assert log.erase("ben-the-second", TOPIC, 0, 1000, START_MS) == 20 + 10
    assert files_with(tmp_path, "ben-the-second") == []
    assert log.read() == others
    assert len(log.read_pages()) == 10
    assert log.positions() == {(TOPIC, 0): 40}


def test_erasing_again_erases_nothing_and_rewrites_nothing(tmp_path: Path) -> None:
    log = two_users(tmp_path)
    log.erase("ben-the-second", TOPIC, 0, 1000, START_MS)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    assert log.erase("ben-the-second", TOPIC, 0, 1000, START_MS) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == before


def test_what_came_after_the_order_stays(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(offset) for offset in range(6)])
    version = events_pb2.HistoryVersion
    log.append_pages(
        [
            page(0, page_id="before", history=version(topic_id=TOPIC, next_offset=4)),
            page(1, page_id="after", history=version(topic_id=TOPIC, next_offset=6)),
            page(2, page_id="unknown"),
            page(3, page_id="other", history=version(topic_id="topic/0", next_offset=9)),
            page(4, page_id="unknown-after", at_ms=START_MS + 1),
            page(
                5,
                page_id="built-on-old",
                at_ms=START_MS + 1,
                history=version(topic_id=TOPIC, next_offset=4),
            ),
        ]
    )
    assert log.erase("ada", TOPIC, 0, 4, START_MS) == 4 + 4
    assert [row.offset for row in log.read()] == [4, 5]
    assert [row.page.page_id for row in log.read_pages()] == ["after", "unknown-after"]


def test_other_logs_of_the_user_are_erased_whole(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(5), logged(9, topic_id="topic/0"), logged(9, partition=1)])
    assert log.erase("ada", TOPIC, 0, 5, START_MS) == 2
    assert [row[:3] for row in log.read()] == [(TOPIC, 0, 5)]


def test_files_of_the_first_version_are_erased_too(tmp_path: Path) -> None:
    version_1(tmp_path, "v1.parquet")
    log = OfflineLog(tmp_path)
    users = {row.token.user_id for row in log.read()}
    assert "ada" in users
    assert log.erase("ada", TOPIC, 0, 1000, START_MS) > 0
    assert {row.token.user_id for row in log.read()} == users - {"ada"}
    assert files_with(tmp_path, "ada") == []


def test_parts_that_no_reader_sees_are_erased_too(tmp_path: Path) -> None:
    """Left by a batch that was killed between its parts, or by a writer that was killed in one."""
    log = two_users(tmp_path)
    (tmp_path / "interactions" / "_positions").rename(tmp_path / "kept")
    assert log.read() == []
    cut = parts(tmp_path)[0].parent / ".rows-1.parquet.99.0.tmp"
    cut.write_bytes(b"PAR1 ben-the-second")
    log.erase("ben-the-second", TOPIC, 0, 1000, START_MS)
    assert files_with(tmp_path, "ben-the-second") == []


def test_a_log_that_is_not_there_holds_nothing_to_erase(tmp_path: Path) -> None:
    assert OfflineLog(tmp_path).erase("ada", TOPIC, 0, 1, START_MS) == 0
