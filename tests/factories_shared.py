"""What costs pytest's workers seconds, and they make once for all of them."""

import fcntl
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Made = TypeVar("Made")


def shared(
    factory: pytest.TempPathFactory, worker_id: str, name: str, make: Callable[[Path], Made]
) -> Made:
    """What `make` has made in a folder, for whoever asks by that name in this run of the suite.

    The first worker makes it while others wait; every one reads a pickle of its own. Nobody may
    write to the folder. What raises is made anew by the next.
    """
    base = factory.getbasetemp()
    root = base if worker_id == "master" else base.parent
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = root / f"{name}.pickle"
        if not done.exists():
            folder = factory.mktemp(name)
            done.write_bytes(pickle.dumps(make(folder)))
        made: Made = pickle.loads(done.read_bytes())
    return made
