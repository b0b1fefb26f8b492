"""Several workers in one group: they come, go and die under load, and wake up when it is too late.

Whatever moves between them, each step is applied once: the stores of every group are those of a
worker that nobody disturbed (`factories_lanes`). PAGECAST_TEST_SEED chooses what happens when.
"""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from factories_stores import valkey_server
from streaming.factories_lanes import (
    Lane,
    assert_same,
    in_parallel,
    lanes_of,
    undisturbed,
)
from streaming.factories_worlds import World, feeding, seed_of_tests
from streaming.worker_process import FILES, WorkerProcess

MEMBERS_MAX = 3

TURNS = 12
"""Of one group, in each of which a member comes, goes or dies."""

LATE_PLACES = (
    *("counted", "online", "tombstone", "erased online", "erased offline"),
    *(FILES, "offline", "committed", "requested", "published"),
)


@contextmanager
def members(lane: Lane) -> Iterator[list[WorkerProcess]]:
    """Workers of a lane; those that are left are stopped in the end, and must end well."""
    workers: list[WorkerProcess] = []
    try:
        yield workers
        for worker in workers:
            worker.stop()
    finally:
        for worker in workers:
            worker.kill()


def take_a_turn(workers: list[WorkerProcess], lane: Lane, rng: random.Random) -> None:
    """A member comes, is stopped, or is killed. One is always left, or comes in the next turn."""
    turn = rng.choice(("come", "stop", "kill")) if workers else "come"
    if turn == "come" or len(workers) > MEMBERS_MAX:
        workers.append(lane.worker(batch=rng.choice((5, 20, 100))))
    elif turn == "stop":
        workers.pop(rng.randrange(len(workers))).stop()
    else:
        workers.pop(rng.randrange(len(workers))).kill()
    if len(workers) > MEMBERS_MAX:
        workers.pop(0).kill()


def test_a_second_one_comes_and_the_first_is_killed(bootstrap: str, tmp_path: Path) -> None:
    """Partitions move twice, once politely and once when a session has ended."""
    world = World(seed_of_tests())
    [lane] = lanes_of(bootstrap, tmp_path, ["group"])
    with feeding(bootstrap, world, count=20, pause_s=0.4) as fed, members(lane) as workers:
        workers.append(lane.worker(batch=100))
        workers[0].wait_ready()
        workers.append(lane.worker(batch=100))
        workers[1].wait_ready()
        workers.pop(0).kill()
        lane.wait(fed.send(20))
    lane.catch_up(fed.positions)
    expected = undisturbed(bootstrap, tmp_path, fed.positions, world.users)
    assert_same(lane.stored(world.users), expected, f"seed {seed_of_tests()}")


@pytest.mark.faults
def test_members_come_go_and_die_under_load(bootstrap: str, tmp_path: Path) -> None:
    """Four groups of up to three members, two of them on Valkey; twelve turns each."""
    seed = seed_of_tests()
    world = World(seed)

    def work(lane: Lane) -> None:
        rng = random.Random(f"{seed}/{lane.name}")
        with members(lane) as workers:
            for _ in range(TURNS):
                take_a_turn(workers, lane, rng)
                time.sleep(rng.uniform(0.5, 4.0))

    with valkey_server(tmp_path / "valkey") as server:
        lanes = lanes_of(bootstrap, tmp_path, ["sqlite-0", "sqlite-1"])
        lanes += lanes_of(bootstrap, tmp_path, ["valkey-0", "valkey-1"], server)
        with feeding(bootstrap, world, count=20, pause_s=0.3) as fed:
            in_parallel(work, lanes)
        in_parallel(lambda lane: lane.catch_up(fed.positions), lanes)
        expected = undisturbed(bootstrap, tmp_path, fed.positions, world.users)
        for lane in lanes:
            assert_same(lane.stored(world.users), expected, f"seed {seed}, {lane.name}")


@pytest.mark.faults
def test_one_that_wakes_up_late_is_refused_and_goes_on(bootstrap: str, tmp_path: Path) -> None:
    """Halted in the middle of a batch for longer than its session: what it then writes is old."""
    world = World(seed_of_tests(), forgetting=False)
    [lane] = lanes_of(bootstrap, tmp_path, ["late"])
    with feeding(bootstrap, world, count=150) as fed, members(lane) as workers:
        late = lane.worker("counted:2:SIGSTOP")
        workers.append(late)
        late.wait_stopped()
        workers.append(lane.worker())
        lane.wait(fed.positions)
        late.go_on()
        lane.wait(fed.send(50))
        assert "histories refused" in late.log.read_text()
    expected = undisturbed(bootstrap, tmp_path, fed.positions, world.users)
    assert_same(lane.stored(world.users), expected, f"seed {seed_of_tests()}")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("store", "places"),
    [
        ("sqlite", LATE_PLACES[:3]),
        ("sqlite", LATE_PLACES[3:]),
        ("valkey", LATE_PLACES),
    ],
)
def test_whatever_one_was_doing_when_it_fell_asleep(
    bootstrap: str, tmp_path: Path, store: str, places: Sequence[str]
) -> None:
    """A group for each place: its worker sleeps there until another one has done all the work.

    Awake, it may change nothing: what it still has to write is of an older version, was written
    already, or belongs to somebody who was forgotten, whose new history must not be touched.
    """
    seed = seed_of_tests()
    world = World(seed)
    with feeding(bootstrap, world, count=400) as fed:
        positions = fed.positions

    def work(lane: Lane) -> None:
        late = lane.worker(f"{lane.name}:1:SIGSTOP")
        try:
            late.wait_stopped()
            lane.take_over(positions)
            late.go_on()
            time.sleep(0.5)
            late.stop()
        finally:
            late.kill()

    with valkey_server(tmp_path / "valkey") as server:
        lanes = lanes_of(bootstrap, tmp_path, places, server if store == "valkey" else None)
        in_parallel(work, lanes)
        expected = undisturbed(bootstrap, tmp_path, positions, world.users)
        for lane in lanes:
            assert_same(lane.stored(world.users), expected, f"seed {seed}, {lane.name}")
