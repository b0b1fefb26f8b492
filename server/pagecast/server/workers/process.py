"""A worker as its supervisor sees it: a process, and a pipe that says when it serves and ends."""

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence

from pagecast.eventlog.broker import dies_with_parent
from pagecast.server.config import ServerConfig
from pagecast.server.workers.orders import WorkerOrders

REAP_S_MAX = 5.0
"""Between the end of a worker's pipe and the end of its process, or after SIGKILL, only the kernel
is waited for."""

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""A worker is to use one core: numpy would start a thread per core in each of them. Values set in
the environment win."""


class WorkerProcess:
    """To be started from the main thread: it dies with the thread that started it."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: int) -> None:
        self._process = process
        self._metrics_port: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._follow(pipe))

    @classmethod
    def start(
        cls, number: int, config: ServerConfig, command: Sequence[str], more: Mapping[str, str]
    ) -> "WorkerProcess":
        """`more` are variables on top of this process's."""
        ours, theirs = os.pipe()
        orders = WorkerOrders(number=number, config=config, pipe=theirs)
        try:
            process = subprocess.Popen(
                dies_with_parent(command),
                stdin=subprocess.DEVNULL,
                env={**THREADS, **os.environ, **more, **orders.to_environment()},
                pass_fds=(theirs,),
                # Ctrl-C reaches only the supervisor, which ends its workers in order.
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        return cls(process, ours)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def serves(self) -> int | None:
        """Waits until it serves, and returns its metrics port; None if it ends before."""
        return await asyncio.shield(self._metrics_port)

    async def ended(self) -> int:
        """Waits until it has ended, and returns its exit code, negative for a signal."""
        return await asyncio.shield(self._life)

    def ask_to_end(self) -> None:
        """SIGTERM; a second one cuts the pages in flight."""
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    async def _follow(self, pipe: int) -> int:
        said = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(said), os.fdopen(pipe, "rb", 0)
        )
        line = await said.readline()
        self._metrics_port.set_result(int(line) if line.endswith(b"\n") else None)
        await said.read()
        try:
            return await asyncio.to_thread(self._process.wait, REAP_S_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            return await asyncio.to_thread(self._process.wait, REAP_S_MAX)
