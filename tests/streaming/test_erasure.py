"""Nothing is left of a user who was forgotten, nothing comes back, and a new history may begin.

Whole workers on a real event log; what each store holds is decoded and searched.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from factories import START_MS, forget, play, rate
from streaming.factories_streaming import Positions, history_of, ingest, send, stored
from streaming.worker_process import WorkerProcess

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import INTERACTIONS, PROFILES
from pagecast.featurestore.database import connect
from pagecast.featurestore.erasures import Erasure, Erasures
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.progress import wait_until_ingested
from pagecast.v1 import events_pb2

LEAVER = "leaver-7f3a"
"""An id that nothing else contains."""

STAYER = "stayer-2b91"
HOUR_MS = 3_600_000


def lives(begin: int = 0, end: int = 30) -> list[events_pb2.InteractionEvent]:
    """What both users do, one hour after the other."""
    made = []
    for i in range(begin, end):
        for user_id in (LEAVER, STAYER):
            made.append(play(user_id, f"film-{i}", START_MS + i * HOUR_MS))
            made.append(rate(user_id, f"film-{i}", 4.0, START_MS + i * HOUR_MS + 60_000))
    return made


def profiles() -> list[events_pb2.ProfileChange]:
    made = [events_pb2.ProfileChange(user_id=u, language="sv") for u in (LEAVER, STAYER)]
    for change in made:
        change.occurred_at.FromMilliseconds(START_MS)
    return made


def give_the_order(bootstrap: str) -> Positions:
    """As ForgetUser does: the profile's record without a value, then the order."""
    with EventProducer(bootstrap) as producer:
        producer.send_tombstone(PROFILES, LEAVER)
        producer.send(INTERACTIONS, LEAVER, the_order())
        producer.flush()
        return producer.acknowledged


def the_order() -> events_pb2.InteractionEvent:
    return forget(LEAVER, START_MS + 1000 * HOUR_MS)


def receipt_of(paths: StatePaths) -> Erasure | None:
    engine = connect(paths.database_url)
    try:
        return Erasures(engine).receipt(the_order().event_id)
    finally:
        engine.dispose()


def names_in(paths: StatePaths) -> Iterator[str]:
    """Where the leaver's id is found: in any table, column, decoded value or raw file."""
    for database in (paths.root / "pagecast.db", paths.online_db):
        yield from _names_in_database(database)
    log = OfflineLog(paths.offline)
    for event in log.read():
        if LEAVER in repr(event) or LEAVER.encode() in event.value:
            yield f"event at {event.offset}"
    for page in log.read_pages():
        if LEAVER.encode() in page.value:
            yield f"page at {page.offset}"
    for part in paths.offline.rglob("*.parquet"):
        if LEAVER in repr(ds.dataset(part).to_table().to_pylist()):
            yield str(part)
    online = OnlineFeatures.open(paths)
    try:
        if online.read_history(LEAVER) is not None:
            yield "history"
        if online.read_profile(LEAVER) != Profile():
            yield "profile"
    finally:
        online.close()
    for file in paths.root.rglob("*"):
        if file.is_file() and LEAVER.encode() in file.read_bytes():
            yield str(file)


def _names_in_database(database: Path) -> Iterator[str]:
    connection = sqlite3.connect(database)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            if any(LEAVER.encode() in _bytes(value) for value in row):
                yield f"{database.name}/{table}"
    connection.close()


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def test_the_search_finds_a_user_in_every_store(bootstrap: str, paths: StatePaths) -> None:
    ingest(bootstrap, paths, send(bootstrap, [*profiles(), *lives()]))
    found = " ".join(names_in(paths))
    for place in ("event at", "history", "profile", ".parquet", ".db"):
        assert place in found, place


def test_nothing_is_left_of_the_user_and_all_of_the_other(
    bootstrap: str, paths: StatePaths
) -> None:
    ingest(bootstrap, paths, send(bootstrap, [*profiles(), *lives()]))
    before = stored(paths, [STAYER])
    ingest(bootstrap, paths, give_the_order(bootstrap))
    assert list(names_in(paths)) == []
    after = stored(paths, [STAYER])
    assert after.histories == before.histories
    assert after.profiles == before.profiles
    assert after.popularity == before.popularity, "counts name nobody"
    receipt = receipt_of(paths)
    assert receipt is not None
    assert receipt.completed_at_ms is not None
    assert receipt.rows_erased == 60


def test_an_order_in_the_midst_of_a_batch_lets_nothing_slip_past(
    bootstrap: str, paths: StatePaths
) -> None:
    """Events before it that wait to be logged, and events after it, all polled together."""
    send(bootstrap, lives(0, 10))
    give_the_order(bootstrap)
    ingest(bootstrap, paths, send(bootstrap, lives(10, 12)))
    history = history_of(paths, LEAVER)
    assert history is not None
    assert [step.entity_id for step in history.steps] == ["film-10", "film-11"]
    log = OfflineLog(paths.offline)
    entities = {e.token.entity_id for e in log.read() if e.token.user_id == LEAVER}
    assert entities == {"film-10", "film-11"}
    assert len([e for e in log.read() if e.token.user_id == STAYER]) == 24


@pytest.mark.parametrize("returned", [False, True])
def test_replaying_the_topic_brings_nothing_back(
    returned: bool, bootstrap: str, paths: StatePaths
) -> None:
    """A group that begins at the beginning, on the same stores."""
    ingest(bootstrap, paths, send(bootstrap, [*profiles(), *lives()]))
    positions = give_the_order(bootstrap)
    if returned:
        positions |= send(bootstrap, [play(LEAVER, "film-new", START_MS + 2000 * HOUR_MS)])
    ingest(bootstrap, paths, positions)
    before, receipt = stored(paths, [LEAVER, STAYER]), receipt_of(paths)
    ingest(bootstrap, paths, positions, group="replay")
    assert stored(paths, [LEAVER, STAYER]) == before
    assert receipt_of(paths) == receipt
    if returned:
        [history] = [history_of(paths, LEAVER)]
        assert history is not None
        assert [step.entity_id for step in history.steps] == ["film-new"]
    else:
        assert list(names_in(paths)) == []


def test_stores_made_anew_from_the_topics_obey_the_order(
    bootstrap: str, paths: StatePaths, tmp_path: Path
) -> None:
    send(bootstrap, [*profiles(), *lives()])
    positions = give_the_order(bootstrap)
    ingest(bootstrap, paths, positions)
    rebuilt = StatePaths(root=tmp_path / "rebuilt")
    ingest(bootstrap, rebuilt, positions, group="rebuild")
    assert list(names_in(rebuilt)) == []
    assert stored(rebuilt, [STAYER]) == stored(paths, [STAYER])


def test_a_backup_of_before_is_mended_by_the_log(bootstrap: str, paths: StatePaths) -> None:
    """The stores are restored as they were before the order; the group goes back to there."""
    ingest(bootstrap, paths, send(bootstrap, [*profiles(), *lives()]), group="backup")
    ingest(bootstrap, paths, give_the_order(bootstrap), group="backup-restored")
    assert list(names_in(paths)) == []


@pytest.mark.parametrize("place", ["tombstone", "erased online", "erased offline"])
def test_a_worker_killed_while_it_erases_is_made_up_for(
    place: str, bootstrap: str, paths: StatePaths
) -> None:
    send(bootstrap, [*profiles(), *lives()])
    positions = give_the_order(bootstrap)
    WorkerProcess(bootstrap, paths.root, "erasing", failpoint=f"{place}:1:SIGKILL").wait_killed()
    assert (receipt := receipt_of(paths)) is not None
    assert receipt.completed_at_ms is None
    other = WorkerProcess(bootstrap, paths.root, "erasing")
    try:
        wait_until_ingested(bootstrap, "erasing", positions, 60)
    finally:
        other.stop()
    assert list(names_in(paths)) == []
    assert (receipt := receipt_of(paths)) is not None
    assert receipt.completed_at_ms is not None


@pytest.mark.parametrize("place", ["counted", "online"])
def test_a_worker_that_wakes_up_after_the_erasure_brings_nothing_back(
    place: str, bootstrap: str, paths: StatePaths
) -> None:
    """It had read the floors, and folded the leaver's events, before the order was given."""
    send(bootstrap, [*profiles(), *lives()])
    late = WorkerProcess(bootstrap, paths.root, "erasing", failpoint=f"{place}:2:SIGSTOP")
    late.wait_stopped()
    other = WorkerProcess(bootstrap, paths.root, "erasing")
    try:
        wait_until_ingested(bootstrap, "erasing", give_the_order(bootstrap), 60)
        assert list(names_in(paths)) == []
        late.go_on()
        wait_until_ingested(bootstrap, "erasing", send(bootstrap, [play(STAYER, "end")]), 60)
        late.stop()
    finally:
        late.kill()
        other.stop()
    assert list(names_in(paths)) == []
