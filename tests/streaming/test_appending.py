"""Files take long to be durable: what else a worker does meanwhile, and what it does not."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from factories import START_MS, forget, play
from streaming.factories_streaming import FAST, history_of, ingesting, send, stored

from pagecast.eventlog.admin import Admin
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.offline.files import exclusive
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.config import GROUP
from pagecast.streaming.progress import wait_until_ingested

PATIENCE_S = 30.0

Committed = dict[tuple[str, int], int]


@contextmanager
def slow_files(paths: StatePaths) -> Iterator[None]:
    """Nothing that is appended becomes visible until the block ends: its lock is held."""
    folder = paths.offline / "interactions" / "_positions"
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / ".lock"):
        yield


def committed(bootstrap: str) -> Committed:
    with Admin(bootstrap) as admin:
        return admin.committed(GROUP)


def eventually(holds: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until_s, "it never holds"
        time.sleep(0.02)


def steps_of(paths: StatePaths, user_id: str) -> int:
    history = history_of(paths, user_id)
    return 0 if history is None else len(history.steps)


def test_events_get_into_histories_and_are_committed_only_when_they_are_in_the_log(
    bootstrap: str, paths: StatePaths
) -> None:
    films = ["heat", "ran", "ikiru"]
    with ingesting(bootstrap, paths):
        with slow_files(paths):
            for number, film in enumerate(films):
                positions = send(bootstrap, [play("ann", film, START_MS + number * 3_600_000)])
                eventually(lambda: steps_of(paths, "ann") == number + 1)  # noqa: B023 - awaited
                time.sleep(FAST["offline_flush_ms"] / 1000)
            assert OfflineLog(paths.offline).read() == []
            assert committed(bootstrap) == {}
        wait_until_ingested(bootstrap, GROUP, positions, PATIENCE_S)
    log = OfflineLog(paths.offline).read()
    assert [row.token.entity_id for row in log] == films
    assert OfflineLog(paths.offline).positions() == {log[0][:2]: len(films)}


@pytest.mark.parametrize("stops", [False, True])
def test_an_order_to_forget_waits_for_what_is_on_its_way_into_the_log(
    bootstrap: str, paths: StatePaths, stops: bool
) -> None:
    """Otherwise it would come in behind the erasure. A worker that is to stop waits as well."""
    with ingesting(bootstrap, paths) as worker:
        with slow_files(paths):
            send(bootstrap, [play("ann", "heat")])
            eventually(lambda: steps_of(paths, "ann") == 1)
            time.sleep(FAST["offline_flush_ms"] / 1000)
            positions = send(bootstrap, [play("bob", "ran"), forget("ann")])
            time.sleep(0.5)  # long enough for it to be carried out, were it not waited for
            assert stored(paths).erasures == {}
            if stops:
                worker.stop.set()
        if not stops:
            wait_until_ingested(bootstrap, GROUP, positions, PATIENCE_S)
    if stops:
        with ingesting(bootstrap, paths):
            wait_until_ingested(bootstrap, GROUP, positions, PATIENCE_S)
    assert list(stored(paths).erasures.values()) == [True]
    assert [row.token.user_id for row in OfflineLog(paths.offline).read()] == ["bob"]
    assert steps_of(paths, "ann") == 0
