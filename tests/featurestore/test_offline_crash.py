"""Killed between any two files, the offline log loses nothing, doubles nothing and never lies."""

import errno
import resource
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from factories import START_MS
from featurestore.factories_offline import (
    DAY_MS,
    TOPIC,
    logged,
    over_days,
    page,
    parts,
    run_killed,
)

from pagecast.featurestore.offline import LoggedEvent, OfflineLog

FIRST = over_days(6, 3)
SECOND = over_days(6, 3, begin=6)


def append_second(root: Path) -> None:
    OfflineLog(root).append(SECOND)


def compact(root: Path) -> None:
    OfflineLog(root).compact()


def erase_ben(root: Path) -> None:
    OfflineLog(root).erase("ben", TOPIC, 0, 1000, START_MS)


def killed_everywhere(
    work: Callable[[Path], None], begin: Callable[[Path], None], tmp_path: Path
) -> Iterator[Path]:
    """The log after `work` was killed before each of its changes, one after the other."""
    begin(tmp_path / "begun")
    change = 0
    while True:
        root = tmp_path / str(change)
        shutil.copytree(tmp_path / "begun", root)
        if not run_killed(change, work, root):
            return
        yield root
        change += 1


def replayed(root: Path) -> list[LoggedEvent]:
    """What a restarted worker makes of it: it appends what is not before the position."""
    log = OfflineLog(root)
    reached = log.positions()
    log.append([row for row in FIRST + SECOND if row.offset >= reached.get((TOPIC, 0), 0)])
    return log.read()


def test_a_batch_over_days_is_there_or_not_wherever_its_appender_is_killed(tmp_path: Path) -> None:
    """Positions that were the newest offset of any file would skip the days that are missing."""
    kills = 0
    for root in killed_everywhere(append_second, lambda r: OfflineLog(r).append(FIRST), tmp_path):
        kills += 1
        log = OfflineLog(root)
        seen, reached = log.read(), log.positions()[TOPIC, 0]
        assert seen == (FIRST if reached == 6 else FIRST + SECOND)
        assert replayed(root) == FIRST + SECOND
    # Three parts and the position.
    assert kills == 4


def test_a_replay_in_other_batches_brings_each_row_once(tmp_path: Path) -> None:
    for root in killed_everywhere(append_second, lambda r: OfflineLog(r).append(FIRST), tmp_path):
        log = OfflineLog(root)
        log.append(SECOND[:2])
        assert log.read()[:8] == FIRST + SECOND[:2]
        log.append(SECOND[2:])
        assert log.read() == FIRST + SECOND
        log.compact()
        assert log.read() == FIRST + SECOND


def small_parts(root: Path) -> None:
    log = OfflineLog(root)
    for begin in range(0, 12, 2):
        log.append((FIRST + SECOND)[begin : begin + 2])
        log.append_pages([page(begin, ["e1"], page_id=f"p{begin}")])


def test_compaction_loses_and_doubles_nothing_wherever_it_is_killed(tmp_path: Path) -> None:
    kills = 0
    for root in killed_everywhere(compact, small_parts, tmp_path):
        kills += 1
        log = OfflineLog(root)
        assert log.read() == FIRST + SECOND
        assert len(log.read_pages()) == 6
        compact(root)
        assert log.read() == FIRST + SECOND
        assert len(log.read_pages()) == 6
        assert log.positions() == {(TOPIC, 0): 12}
        assert (len(parts(root)), len(parts(root, "pages"))) == (3, 1)
    assert kills > 12


def of_ann_and_ben(root: Path) -> None:
    log = OfflineLog(root)
    for begin in range(0, 12, 4):
        rows = over_days(2, 2, user_id="ann", begin=begin)
        log.append(rows + over_days(2, 2, user_id="ben", begin=begin + 2))
        log.append_pages([page(begin, ["e1"], user_id="ben"), page(begin + 1, user_id="ann")])


@pytest.mark.faults
def test_an_erasure_is_done_after_a_second_try_wherever_the_first_is_killed(tmp_path: Path) -> None:
    for root in killed_everywhere(erase_ben, of_ann_and_ben, tmp_path):
        log = OfflineLog(root)
        assert [r.offset for r in log.read() if r.token.user_id == "ann"] == [0, 1, 4, 5, 8, 9]
        erase_ben(root)
        assert {row.token.user_id for row in log.read()} == {"ann"}
        assert {row.page.user_id for row in log.read_pages()} == {"ann"}
        assert log.positions() == {(TOPIC, 0): 12}
        assert unfinished(root) == []


def unfinished(root: Path) -> list[Path]:
    return sorted(root.rglob("*.tmp"))


def append_big(root: Path) -> None:
    """The second day is larger than the disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    small = [logged(n) for n in range(10)]
    big = [logged(n, at_ms=START_MS + DAY_MS) for n in range(10, 3000)]
    with pytest.raises(OSError) as raised:
        OfflineLog(root).append(small + big)
    assert raised.value.errno == errno.EFBIG


def test_a_full_disk_is_an_oserror_and_leaves_nothing_that_can_be_seen(tmp_path: Path) -> None:
    OfflineLog(tmp_path).append(FIRST)
    assert not run_killed(-1, append_big, tmp_path)
    log = OfflineLog(tmp_path)
    assert log.read() == FIRST
    assert log.positions() == {(TOPIC, 0): 6}
    assert unfinished(tmp_path) == []


def test_a_late_writer_does_not_put_a_position_back(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append(FIRST + SECOND)
    log.append(FIRST)
    assert log.positions() == {(TOPIC, 0): 12}


def test_readers_see_every_row_once_beside_an_appender_and_compaction(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    stop = threading.Event()

    def append() -> None:
        for offset in range(0, 400, 2):
            log.append([logged(offset), logged(offset + 1, at_ms=START_MS + DAY_MS)])
        stop.set()

    def keep_compacting() -> None:
        while not stop.is_set():
            log.compact()

    def keep_reading() -> int:
        readings = 0
        while not stop.is_set():
            reached = OfflineLog(tmp_path).positions().get((TOPIC, 0), 0)
            offsets = [row.offset for row in OfflineLog(tmp_path).read()]
            assert offsets == list(range(len(offsets)))
            assert len(offsets) >= reached
            readings += 1
        return readings

    with ThreadPoolExecutor(3) as threads:
        work = [threads.submit(task) for task in (append, keep_compacting, keep_reading)]
        wait(work, 60, FIRST_EXCEPTION)
        stop.set()
    assert [task.result() for task in work][-1] > 0
    assert log.read() == [
        row
        for offset in range(0, 400, 2)
        for row in (logged(offset), logged(offset + 1, at_ms=START_MS + DAY_MS))
    ]
