"""Ingest waits for a full disk: nothing is lost, and nothing is half visible."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from streaming.factories_lanes import assert_same, lanes_of, undisturbed
from streaming.factories_recount import recount
from streaming.factories_worlds import World, feeding, seed_of_tests

from pagecast.streaming.progress import NotIngestedInTime

DISK_BYTES = 32 * 1024 * 1024
"""More than the stores need, SQLite's write-ahead logs included."""


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own in this folder; skips the test if that is not permitted."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Somebody else takes all the room that is left."""
    filler = folder / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 16, 1 << 12, 1):
            while _written(descriptor, size):
                pass
        yield
    finally:
        os.close(descriptor)
        filler.unlink()


def _written(descriptor: int, size: int) -> bool:
    try:
        return os.write(descriptor, bytes(size)) == size
    except OSError:
        return False


@pytest.mark.parametrize(
    ("what", "seconds"),
    [
        pytest.param("offline", 3.0, marks=pytest.mark.faults),
        ("everything", 3.0),
        pytest.param("everything", 40.0, marks=pytest.mark.faults),
    ],
)
def test_a_worker_waits_for_room(bootstrap: str, tmp_path: Path, what: str, seconds: float) -> None:
    """The disk of the offline log, or of all stores, is full for a while under load.

    Nothing more is committed, every part of the offline log that is there is whole, and of each
    partition there are all events up to the position and none after. With room, it goes on.
    """
    seed = seed_of_tests()
    world = World(seed, forgetting=False)
    [lane] = lanes_of(bootstrap, tmp_path, ["lane"])
    disk = lane.paths.offline if what == "offline" else lane.paths.root
    with small_disk(disk), feeding(bootstrap, world, count=200) as fed:
        worker = lane.worker()
        try:
            lane.wait(fed.positions)
            before = lane.stored(world.users)
            with full(disk):
                positions = fed.send(200)
                with pytest.raises(NotIngestedInTime):
                    lane.wait(positions, seconds)
                assert worker.exitcode is None, worker.log.read_text()
                assert "retrying" in worker.log.read_text()
                assert lane.stored(world.users).offline == before.offline
            lane.wait(positions)
            worker.stop()
        finally:
            worker.kill()
        assert len(recount(bootstrap, positions).offline) > len(before.offline)
        expected = undisturbed(bootstrap, tmp_path, positions, world.users)
        assert_same(lane.stored(world.users), expected, f"seed {seed}")
