"""Several server processes on one port, and the one process that looks after them.

The supervisor holds the port, serves no request, and loads no model. The kernel spreads connections
over the workers that listen: a channel is one connection, and stays with its worker.
"""

import asyncio
import secrets
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from pagecast.server.rpc.listening import Listening
from pagecast.server.signals import EndWanted, end_wanted
from pagecast.server.workers.config import WorkersConfig
from pagecast.server.workers.metrics import WorkerMetrics
from pagecast.server.workers.process import WorkerProcess
from pagecast.server.workers.shared_port import held_port

READY_S_MAX = 120.0
"""Imports, the catalog and the champion take seconds, or a minute on a busy machine with a large
catalog; a worker that takes longer is killed and counts as crashed."""

PAUSE_S = 0.5
"""Pause before a crashed worker is started again, doubling with every crash in a row: what ended it
may be gone by then, and a start takes a core for seconds."""

CRASHES_MAX = 6
"""Crashes in a row after which the supervisor gives up, so that whatever started it hears of it:
a quarter of a minute of pauses."""

CALM_S = 60.0
"""The crash of a worker that has served for longer than this begins a new row."""

KILL_AFTER_S = 3.0
"""How long after a drain's grace a worker is killed."""

_log = structlog.get_logger(__name__)


class WorkersFailed(RuntimeError):  # noqa: N818 - named by what is wrong
    """The workers cannot be kept running; the message says how the last one ended."""


def run_workers(config: WorkersConfig, ready: Callable[[Listening], None]) -> None:
    """`serve_workers` in an event loop of its own. Call it from the main thread."""
    asyncio.run(serve_workers(config, ready))


async def serve_workers(config: WorkersConfig, ready: Callable[[Listening], None]) -> None:
    """Serves until SIGTERM or SIGINT, then the workers drain; a second signal cuts them short.

    `ready` is called once, when all workers answer. Raises PortTakenError, and WorkersFailed if
    a worker ends before it ever served, or crashes again and again.
    """
    server = config.server
    with (
        end_wanted() as end,
        held_port(server.host, server.port) as port,
        WorkerMetrics(server.metrics_port) as metrics,
    ):
        listening = Listening(host=server.host, port=port, metrics_port=metrics.port)

        def all_serve() -> None:
            told = {"target": listening.target, "workers": config.workers}
            _log.info("workers_listening", **told, metrics_port_of_all=metrics.port)
            ready(listening)

        await _Workers(config, port, metrics).serve(end, all_serve)


class _Workers:
    """Started once and ended once."""

    def __init__(self, config: WorkersConfig, port: int, metrics: WorkerMetrics) -> None:
        key = config.server.continuation_key or _own_key()
        self._config, self._metrics = config, metrics
        self._worker_config = config.of_worker(port, key)
        self._running: dict[int, WorkerProcess] = {}
        self._served_s: dict[int, float] = {}
        self._have_served: set[int] = set()
        self._all_have_served = asyncio.Event()

    async def serve(self, end: EndWanted, ready: Callable[[], None]) -> None:
        keeping = [
            asyncio.create_task(self._keep(number)) for number in range(self._config.workers)
        ]
        asked = asyncio.create_task(end.asked.wait())
        all_have_served = asyncio.create_task(self._all_have_served.wait())
        try:
            await _first_of(asked, all_have_served, *keeping)
            if not asked.done():
                ready()
                await _first_of(asked, *keeping)
        finally:
            for task in (asked, all_have_served, *keeping):
                task.cancel()
            await asyncio.gather(asked, all_have_served, *keeping, return_exceptions=True)
            await self._end_all(end)

    async def _keep(self, number: int) -> None:
        """Starts a worker again whenever it has ended. Raises WorkersFailed."""
        crashes = 0
        while True:
            self._served_s[number] = 0.0
            ending = _ending(await self._run(number))
            if number not in self._have_served:
                raise WorkersFailed(f"worker {number} {ending} before it served: read its log")
            crashes = 1 if self._served_s[number] > CALM_S else crashes + 1
            if crashes >= CRASHES_MAX:
                raise WorkersFailed(f"worker {number} {ending}, {crashes} times in a row")
            pause_s = PAUSE_S * 2 ** (crashes - 1)
            _log.error("worker_ended", worker=number, ending=ending, again_in_seconds=pause_s)
            self._metrics.restarts.labels(worker=str(number)).inc()
            await asyncio.sleep(pause_s)

    async def _run(self, number: int) -> int:
        """Runs a worker from its start to its end; returns its exit code."""
        config = self._config
        worker = WorkerProcess.start(
            number, self._worker_config, config.command, config.environment
        )
        self._running[number] = worker
        if (metrics_port := await self._served(worker)) is None:
            worker.kill()
            return await worker.ended()
        began_s = time.monotonic()
        self._metrics.ports[number] = metrics_port
        self._have_served.add(number)
        if len(self._have_served) == config.workers:
            self._all_have_served.set()
        _log.info("worker_serves", worker=number, pid=worker.pid)
        code = await worker.ended()
        del self._metrics.ports[number]
        self._served_s[number] = time.monotonic() - began_s
        return code

    async def _served(self, worker: WorkerProcess) -> int | None:
        """Its metrics port once it serves; None if it ends before, or takes too long."""
        try:
            async with asyncio.timeout(READY_S_MAX):
                return await worker.serves()
        except TimeoutError:
            return None

    async def _end_all(self, end: EndWanted) -> None:
        """All drain at once. A second signal cuts what is in flight; what hangs is killed."""
        workers = list(self._running.values())
        for worker in workers:
            worker.ask_to_end()
        insisted = asyncio.create_task(end.insisted.wait())
        patience_s = self._config.server.grace_seconds + KILL_AFTER_S
        try:
            async with asyncio.timeout(patience_s):
                await _first_of(insisted, asyncio.create_task(_all_ended(workers)))
                if insisted.done():
                    for worker in workers:
                        worker.ask_to_end()
                    await _all_ended(workers)
        except TimeoutError:
            _log.error("workers_killed", seconds=patience_s)
        finally:
            insisted.cancel()
            for worker in workers:
                worker.kill()
            await _all_ended(workers)
        _log.info("workers_ended")


async def _all_ended(workers: Iterable[WorkerProcess]) -> None:
    for worker in workers:
        await worker.ended()


def _own_key() -> str:
    _log.warning(
        "continuations_of_this_server_only",
        remedy="set PAGECAST_CONTINUATION_KEY to the same value on every replica",
    )
    return secrets.token_hex(32)


def _ending(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


async def _first_of(*waits: asyncio.Future[Any]) -> None:
    """Returns when one of them is done; raises what it raised."""
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in done:
        one.result()
