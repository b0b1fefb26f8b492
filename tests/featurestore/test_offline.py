"""The offline log as its users see it."""

import os
import shutil
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import START_MS, play, rate
from factories_featurestore import event_streams, fold, make_event, stop
from factories_forking import forking
from featurestore.factories_offline import (
    DAY_MS,
    TOPIC,
    append_for_ever,
    logged,
    page,
    parts,
    row_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.history.fold import apply_token, begin
from pagecast.featurestore.history.history import History
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent, OfflineLog, UnknownSchemaError
from pagecast.featurestore.offline.schema import VERSION_NAME
from pagecast.v1 import events_pb2

FILES = Path(__file__).parent / "offline_files"


def keys(rows: Sequence[LoggedEvent]) -> list[tuple[str, int, int]]:
    return [row[:3] for row in rows]


def test_a_log_without_events_is_empty(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([])
    log.append_pages([])
    assert (log.read(), log.positions(), log.read(until={}, after={})) == ([], {}, [])
    assert (list(log.by_user()), log.read_pages(), log.page_positions()) == ([], [], {})


def test_events_come_back_whole_and_in_order(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    rows = [logged(n, partition=n % 3, at_ms=START_MS - n * DAY_MS) for n in range(9)]
    log.append(list(reversed(rows)))
    assert log.read() == sorted(rows, key=lambda row: (row.partition, row.offset))
    assert log.positions() == {(TOPIC, 0): 7, (TOPIC, 1): 8, (TOPIC, 2): 9}


@settings(max_examples=25)
@given(events=event_streams())
def test_every_token_comes_back_as_it_was(
    events: list[events_pb2.InteractionEvent], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = OfflineLog(tmp_path_factory.mktemp("offline"))
    rows = [row_of(event, offset) for offset, event in enumerate(events)]
    log.append(rows)
    assert log.read() == rows


def test_bytes_are_kept_as_they_came(tmp_path: Path) -> None:
    """Fields that this version does not know are in them, too."""
    event = play("ada", "e1")
    value = event.SerializeToString() + b"\xfa\x3f\x03new"
    log = OfflineLog(tmp_path)
    log.append([LoggedEvent(TOPIC, 0, 0, token_of(event), value)])
    assert [row.value for row in log.read()] == [value]


def test_a_part_holds_one_day_of_one_partition(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(0), logged(1, at_ms=START_MS + DAY_MS), logged(2, partition=1)])
    days = [path.parent.name for path in parts(tmp_path)]
    today = datetime.fromtimestamp(START_MS / 1000, UTC)
    assert days == [f"day={today:%Y-%m-%d}"] * 2 + [f"day={today:%Y-%m}-06"]


def test_columns_can_be_queried_without_the_event(tmp_path: Path) -> None:
    OfflineLog(tmp_path).append([row_of(rate("ada", "e1", 4.0, START_MS))])
    (row,) = pq.read_table(parts(tmp_path)[0]).to_pylist()
    assert (row["user_id"], row["action"], row["entity_id"]) == ("ada", "rate", "e1")
    assert (row["rating"], row["device"]) == (9, "tv")
    assert row["occurred_at"].timestamp() * 1000 == START_MS


def test_appending_the_same_batch_again_writes_nothing(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    batch = [logged(n) for n in range(5)]
    log.append(batch)
    before = {path: path.stat().st_ino for path in parts(tmp_path)}
    log.append(batch)
    assert {path: path.stat().st_ino for path in parts(tmp_path)} == before
    assert log.read() == batch


def test_as_of_a_position_is_what_came_before_it(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(n) for n in range(6)])
    log.append([logged(n, partition=1) for n in range(6)])
    t = TOPIC
    assert keys(log.read(until={(t, 0): 2})) == [(t, 0, 0), (t, 0, 1)]
    assert keys(log.read(until={(t, 0): 3, (t, 1): 1}, after={(t, 0): 2})) == [(t, 0, 2), (t, 1, 0)]
    assert keys(log.read(after={(t, 0): 5, (t, 1): 6})) == [(t, 0, 5)]
    assert log.read(after=log.positions()) == []
    assert log.read(until={}) == []
    assert [user.events[-1][0] for user in log.by_user(until={(t, 0): 2})] == [1]


@settings(max_examples=25)
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
    log.compact()
    assert log.read() == [expected[offset] for offset in sorted(expected)]
    assert log.positions() == {(TOPIC, 0): max(expected) + 1}


def test_topics_whose_ids_begin_alike_do_not_overwrite_each_other(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(0, topic_id="pagecast-1")])
    log.append([logged(0, topic_id="pagecast-2")])
    assert [row.topic_id for row in log.read()] == ["pagecast-1", "pagecast-2"]


def test_users_come_one_after_the_other_with_their_events_in_order(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    for offset in range(6):
        log.append([logged(offset, user_id=f"u{offset % 2}", partition=offset % 2)])
    log.append([logged(0, user_id="u0", topic_id="topic/2")])
    users = list(log.by_user())
    assert [user[:3] for user in users] == [
        (TOPIC, "u0", 0),
        (TOPIC, "u1", 1),
        ("topic/2", "u0", 0),
    ]
    assert [[offset for offset, _ in user.events] for user in users] == [[0, 2, 4], [1, 3, 5], [0]]
    assert [user.topic_id for user in log.by_user(user_ids=["u1", "nobody"])] == [TOPIC]


def test_users_come_whole_however_many_events_are_made_tokens_of_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(n, user_id=f"u{min(n, 5) % 3}") for n in range(20)])
    expected = list(log.by_user())
    for at_once in (1, 3, 16, 17):
        monkeypatch.setattr("pagecast.featurestore.offline.log.ROWS_AT_ONCE", at_once)
        assert list(log.by_user()) == expected


@settings(max_examples=25)
@given(events=event_streams())
def test_the_fold_of_the_log_is_the_fold_at_ingest(
    events: list[events_pb2.InteractionEvent], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = OfflineLog(tmp_path_factory.mktemp("offline"))
    topic = "topic-of-tests"
    log.append([row_of(event, n, topic_id=topic) for n, event in enumerate(events)])
    history = History("ada")
    for user in log.by_user():
        begin(history, user.topic_id, user.partition)
        for offset, token in user.events:
            apply_token(history, token, offset)
    assert history == fold(events)


def test_served_pages_come_back_whole_and_in_order(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    rows = [page(n, ["e1", "e2"], ["e3"], page_id=f"p{n}") for n in range(4)]
    log.append_pages(rows[2:])
    log.append_pages(rows[:3])
    assert log.read_pages() == rows
    assert (log.page_positions(), log.positions()) == ({("pages/1", 0): 4}, {})
    (part, *_) = parts(tmp_path, "pages")
    (first, *_) = pq.read_table(part).to_pylist()
    assert (first["model_version"], first["arm"], first["user_id"]) == ("m1", "a1", "ada")


# Schema versions


def version_1(root: Path, name: str = "part-0a2b3c4d-0-0-6.parquet") -> Path:
    """A file that the first version of this code has written; see `offline_files`."""
    path = root / "interactions" / "day=2026-01-05" / name
    path.parent.mkdir(parents=True)
    shutil.copy(FILES / "v1.parquet", path)
    return path


@pytest.mark.parametrize("name", ["part-0a2b3c4d-0-0-6.parquet", "v1.parquet"])
def test_version_1_is_read_beside_version_2(tmp_path: Path, name: str) -> None:
    version_1(tmp_path, name)
    log = OfflineLog(tmp_path)
    log.append([logged(7)])
    rows = log.read()
    assert keys(rows) == [(TOPIC, 0, offset) for offset in range(8)]
    for row in rows:
        assert row.token == token_of(events_pb2.InteractionEvent.FromString(row.value))
    assert {row.token.entity_id for row in rows} >= {"night-ferry", "e7"}


def test_version_2_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Of this version, too, one file is kept: what is changed here must still read it."""
    path = tmp_path / "interactions" / "day=2026-01-05" / "v2.parquet"
    path.parent.mkdir(parents=True)
    shutil.copy(FILES / "v2.parquet", path)
    assert OfflineLog(tmp_path).read() == EVERY_ACTION


def test_nothing_says_how_far_a_log_of_version_1_reaches(tmp_path: Path) -> None:
    """Its last batch may have lost a part: what is appended again is the safe answer."""
    version_1(tmp_path)
    log = OfflineLog(tmp_path)
    assert log.positions() == {(TOPIC, 0): 0}
    log.append([logged(7)])
    assert log.positions() == {(TOPIC, 0): 8}


def test_compaction_brings_version_1_to_version_2(tmp_path: Path) -> None:
    old = version_1(tmp_path)
    log = OfflineLog(tmp_path)
    rows = log.read()
    log.compact()
    (new,) = parts(tmp_path)
    assert new != old
    assert pq.read_metadata(new).metadata[VERSION_NAME] == b"2"
    assert (log.read(), log.positions()) == (rows, {(TOPIC, 0): 0})


def test_a_newer_version_is_refused_with_the_remedy(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(0)])
    (path,) = parts(tmp_path)
    table = pq.read_table(path).append_column("more", pa.array([1]))
    pq.write_table(table.replace_schema_metadata({VERSION_NAME: "3"}), path)
    with pytest.raises(UnknownSchemaError, match="schema version 3, and this Pagecast reads up to"):
        log.read()
    with pytest.raises(UnknownSchemaError, match="newer one"):
        list(log.by_user())


def test_a_broken_part_is_an_error_and_not_a_gap(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(0)])
    parts(tmp_path)[0].write_bytes(b"PAR1")
    with pytest.raises(pa.ArrowInvalid):
        log.read()


def test_a_killed_appender_leaves_only_whole_parts(tmp_path: Path) -> None:
    context = forking()
    started = context.Event()
    process = context.Process(target=append_for_ever, args=(tmp_path, started))
    process.start()
    assert started.wait(30)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    rows = OfflineLog(tmp_path).read()
    assert rows == [logged(n) for n in range(len(rows))]
    assert len(rows) % 50 == 0


def test_a_part_costs_few_bytes_an_event(tmp_path: Path) -> None:
    """One for the query columns beside the record: most of their values repeat."""
    rows = [logged(n, at_ms=START_MS + 1000 * n, user_id=f"u{n % 50}") for n in range(2000)]
    OfflineLog(tmp_path).append(rows)
    (part,) = parts(tmp_path)
    assert part.stat().st_size < 60 * len(rows)


_AT = events_pb2.Placement(row_id="top", row_position=1, entity_position=2)

EVERY_ACTION = [
    row_of(event, offset)
    for offset, event in enumerate(
        [
            make_event(click=events_pb2.Click(entity_id="e1", placement=_AT)),
            make_event(view_details=events_pb2.ViewDetails(entity_id="e1", placement=_AT)),
            make_event(play=events_pb2.Play(entity_id="e1", kind=1, placement=_AT)),
            stop("e1", 5_451_000, START_MS + 1, resume_ms=90_000),
            stop("e1", 7_000, START_MS + 2, completed=True),
            make_event(rate=events_pb2.Rate(entity_id="e1", rating=2.5)),
            make_event(add_to_list=events_pb2.AddToList(entity_id="e1", removed=True)),
            make_event(hide=events_pb2.Hide(entity_id="e2", placement=_AT)),
            make_event(search=events_pb2.Search(query="ferry", entity_id="e3")),
            make_event(purchase=events_pb2.Purchase(entity_id="e3")),
            make_event(
                impression=events_pb2.Impression(
                    rows=[events_pb2.SeenRow(row_id="top", entity_ids=["e1", "e2"])]
                )
            ),
            make_event(user_id="ben", user_forgotten=events_pb2.UserForgotten()),
        ]
    )
]
"""What `offline_files/v2.parquet` holds."""
