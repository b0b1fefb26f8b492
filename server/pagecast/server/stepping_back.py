"""Threads that let the decoding of pages go first when both want the core.

On Linux a thread has a niceness of its own. It cannot be lowered again without privileges, so this
is for threads that do nothing else.

What steps back may hold Python's lock. Who waits for the lock sleeps meanwhile, so that the core is
the holder's, unless another process wants it: that one then keeps the holder, and the pages behind
it, waiting for longer than without (docs/adr/0022-loading-steps-back.md).
"""

import os
import sys
import threading

import structlog

_log = structlog.get_logger(__name__)

NICENESS = 10
"""Beside the decode loop, which has none: a tenth of a core that both want, all of one that is
free. A swap takes half a second of CPU: five seconds on a server that is never idle."""


def step_back() -> None:
    """From now on the calling thread has a low priority; only that thread.

    Where threads have no niceness of their own it stays as it is, which is logged.
    """
    try:
        if sys.platform != "linux":
            raise OSError("threads have no niceness of their own on this system")
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    except OSError as error:
        thread = threading.current_thread().name
        _log.info("thread_does_not_step_back", thread=thread, reason=str(error))
