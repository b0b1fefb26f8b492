"""Threads that let the decoding of pages go first when both want the core.

On Linux a thread has a niceness of its own. It cannot be lowered again without privileges, so this
is for threads that do nothing else.

They should do work that releases Python's lock: reading, hashing, running a graph. Threads that
wait for the lock sleep, so none in this process overtakes a low-priority thread that holds it, but
another process may, and keeps pages waiting for as long (docs/adr/0022-loading-steps-back.md).
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import structlog

_log = structlog.get_logger(__name__)

NICENESS = 5
"""Beside the decode loop, which has none, that is a quarter of a core that both want, and all of a
free one. Reading 107 MB takes 0.13 s of CPU: half a second on a server that is never idle."""


def low_priority_thread(name: str) -> ThreadPoolExecutor:
    """An executor with one thread, which steps back. Shut it down in the end."""
    return ThreadPoolExecutor(1, thread_name_prefix=name, initializer=step_back)


def step_back() -> None:
    """From now on the calling thread, and no other, has a low priority.

    Where threads have no niceness of their own it stays as it is, which is logged.
    """
    try:
        if sys.platform != "linux":
            raise OSError("threads have no niceness of their own on this system")
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    except OSError as error:
        thread = threading.current_thread().name
        _log.info("thread_does_not_step_back", thread=thread, reason=str(error))
