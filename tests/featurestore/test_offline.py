import multiprocessing
import os
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from factories import START_MS, play, rate
from factories_featurestore import fold, make_event
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.offline import LoggedEvent, OfflineLog
from pagecast.v1 import events_pb2

DAY_MS = 86_400_000


def logged(
    offset: int, *, partition: int = 0, topic_id: str = "topic/1", at_ms: int = START_MS
) -> LoggedEvent:
    return LoggedEvent(
        topic_id=topic_id,
        partition=partition,
        offset=offset,
        event=play("ada", f"e{offset}", at_ms + offset),
    )


def keys(rows: Sequence[LoggedEvent]) -> list[tuple[str, int, int]]:
    return [(row.topic_id, row.partition, row.offset) for row in rows]


def parts(root: Path) -> list[Path]:
    return sorted((root / "interactions").rglob("*.parquet"))


def test_a_log_without_events_is_empty(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([])
    assert (log.read(), log.positions(), log.read(until={}, after={})) == ([], {}, [])


def test_events_come_back_whole_and_in_order(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    rows = [logged(n, partition=n % 3, at_ms=START_MS - n * DAY_MS) for n in range(9)]
    log.append(list(reversed(rows)))
    assert log.read() == sorted(rows, key=lambda row: (row.partition, row.offset))
    assert log.positions() == {("topic/1", 0): 7, ("topic/1", 1): 8, ("topic/1", 2): 9}


def test_a_part_holds_one_day_of_one_partition(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(0), logged(1, at_ms=START_MS + DAY_MS), logged(2, partition=1)])
    days = [path.parent.name for path in parts(tmp_path)]
    today = datetime.fromtimestamp(START_MS / 1000, UTC)
    assert days == [f"day={today:%Y-%m-%d}"] * 2 + [f"day={today:%Y-%m}-06"]


def test_columns_can_be_queried_without_the_event(tmp_path: Path) -> None:
    OfflineLog(tmp_path).append(
        [LoggedEvent(topic_id="t", partition=0, offset=0, event=rate("ada", "e1", 4.0, START_MS))]
    )
    (row,) = pq.read_table(parts(tmp_path)[0]).to_pylist()
    assert (row["user_id"], row["action"], row["entity_id"]) == ("ada", "rate", "e1")
    assert row["occurred_at_ms"] == START_MS == row["occurred_at"].timestamp() * 1000


def test_events_without_an_entity_are_kept(tmp_path: Path) -> None:
    seen = events_pb2.Impression(rows=[events_pb2.SeenRow(row_id="r", entity_ids=["e"])])
    row = LoggedEvent(topic_id="t", partition=0, offset=0, event=make_event(impression=seen))
    log = OfflineLog(tmp_path)
    log.append([row])
    assert log.read() == [row]


def test_appending_the_same_batch_again_replaces_its_parts(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    batch = [logged(n) for n in range(5)]
    log.append(batch)
    before = parts(tmp_path)
    log.append(batch)
    assert (parts(tmp_path), log.read()) == (before, batch)


def test_as_of_a_position_is_what_came_before_it(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(n) for n in range(6)])
    log.append([logged(n, partition=1) for n in range(6)])
    t = "topic/1"
    assert keys(log.read(until={(t, 0): 2})) == [(t, 0, 0), (t, 0, 1)]
    assert keys(log.read(until={(t, 0): 3, (t, 1): 1}, after={(t, 0): 2})) == [(t, 0, 2), (t, 1, 0)]
    assert keys(log.read(after={(t, 0): 5, (t, 1): 6})) == [(t, 0, 5)]
    assert log.read(after=log.positions()) == []
    assert log.read(until={}) == []


@given(
    batches=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), min_size=1, max_size=5),
    days=st.integers(1, 3),
)
def test_overlapping_replays_keep_one_row_per_key(
    batches: list[tuple[int, int]], days: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = OfflineLog(tmp_path_factory.mktemp("offline"))
    expected = {}
    for first, length in batches:
        rows = [logged(n, at_ms=START_MS + n % days * DAY_MS) for n in range(first, first + length)]
        log.append(rows)
        expected |= {row.offset: row for row in rows}
    assert log.read() == [expected[offset] for offset in sorted(expected)]


def test_topics_whose_ids_begin_alike_do_not_overwrite_each_other(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(0, topic_id="pagecast-1")])
    log.append([logged(0, topic_id="pagecast-2")])
    assert [row.topic_id for row in log.read()] == ["pagecast-1", "pagecast-2"]


def _append_for_ever(root: Path, started: "multiprocessing.synchronize.Event") -> None:
    log, offset = OfflineLog(root), 0
    while True:
        log.append([logged(n) for n in range(offset, offset + 50)])
        offset += 50
        started.set()


def test_a_killed_appender_leaves_only_whole_parts(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=_append_for_ever, args=(tmp_path, started))
    process.start()
    assert started.wait(30)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    rows = OfflineLog(tmp_path).read()
    assert rows == [logged(n) for n in range(len(rows))]
    assert len(rows) % 50 == 0


def test_the_history_of_a_replayed_log_is_the_history_at_ingest(tmp_path: Path) -> None:
    events = [play("ada", f"e{n}", START_MS + n) for n in range(20)]
    log = OfflineLog(tmp_path)
    log.append(
        [
            LoggedEvent(topic_id="t", partition=0, offset=offset, event=event)
            for offset, event in enumerate(events)
        ]
    )
    assert fold([row.event for row in log.read()]) == fold(events)
