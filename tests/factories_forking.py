"""Processes of tests, forked from one server a pytest worker that has imported what takes seconds.

What is forked is a process as any other: it is killed, ends with codes, shares no memory.
"""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext

PRELOADED = (
    "streaming.worker_process",
    "cli.command_process",
    "featurestore.factories_offline",
    "featurestore.factories_processes",
)
"""Each imports at once, in the server, what its processes need; one server knows them all, and has
started no thread."""


def forking() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    # The server's own search path, until Python hands it on itself.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    context.set_forkserver_preload(list(PRELOADED))
    return context


def in_server() -> bool:
    """Whether this process is the server, or one of its children."""
    return multiprocessing.current_process().name != "MainProcess" or "pytest" not in sys.modules
