"""CPU time and memory of a process, and which cores it may use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Fields of /proc/PID/stat after the name, of the whole process with all its threads."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a running process, in steps of a hundredth of a second (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Memory of a running process that is in RAM (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Variables that numpy and torch read when they are imported."""


def use_one_thread() -> None:
    """Makes products here and in child processes use one thread; call before importing numpy.

    The work of a second thread would be missing from the first one's clock.
    """
    os.environ.update(ONE_THREAD)


def measured_core() -> int:
    """The core kept for what is measured: the last one this process may use."""
    return max(os.sched_getaffinity(0))


def other_cores() -> set[int]:
    """The cores for everything else; the same one if there is only one."""
    cores = os.sched_getaffinity(0)
    return cores - {max(cores)} or cores


@contextmanager
def left_alone(core: int | None) -> Iterator[None]:
    """Keeps this thread, and the programs and threads it starts meanwhile, off a core, if one is
    named and there is another."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {one for one in allowed if one != core} or allowed)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
