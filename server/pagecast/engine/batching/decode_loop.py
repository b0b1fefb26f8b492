"""The one thread that decodes: pages come in through a queue, events leave through their sinks.

It owns the slots of every model that has pages. onnxruntime releases the GIL while it runs, so the
server's event loop goes on meanwhile. A page stays with the model it came with; when a model's last
page has left and nothing else holds the model, its slots are freed with it.
"""

import threading
from collections import deque
from weakref import WeakKeyDictionary

import structlog

from pagecast.engine.batching.page_batch import PageBatch
from pagecast.engine.batching.page_job import PageJob
from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.errors import EngineError

_log = structlog.get_logger(__name__)

CLOSE_SECONDS_MAX = 5.0
"""A step takes milliseconds; a run that does not end must not keep the server alive."""


class DecodeLoop:
    """Started at once. Any thread may submit; call `close` in the end."""

    def __init__(self, slots: int, prefixes: PrefixCache) -> None:
        if slots < 1:
            raise ValueError(f"slots must be at least 1, is {slots}")
        self._slots = slots
        self._prefixes = prefixes
        self._batches: WeakKeyDictionary[Bundle, PageBatch] = WeakKeyDictionary()
        self._busy: list[PageBatch] = []
        """Batches that have pages."""
        self._arrived: deque[PageJob] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pagecast-decode", daemon=True)
        self._thread.start()

    def submit(self, job: PageJob) -> None:
        """The page joins at the next turn that has a free slot. Never waits.

        How many may be submitted is bounded elsewhere (`server.slots`). After `close` a page ends
        at once.
        """
        with self._changed:
            if not self._closed:
                self._arrived.append(job)
                self._changed.notify()
                return
        job.sink.end(_closed())

    def close(self) -> None:
        """Ends every page with an EngineError, then the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS_MAX)

    def _run(self) -> None:
        try:
            while self._wait():
                self._join_arrived()
                self._turn()
        finally:  # whatever ends the thread, no page waits in vain
            self._end_all()

    def _turn(self) -> None:
        for batch in self._busy:
            try:
                batch.turn()
            except Exception as error:  # a fault of ours: these pages end, the others do not
                _log.exception("turn_failed")
                batch.end_all(_failed(error))
        self._busy = [batch for batch in self._busy if len(batch)]

    def _end_all(self) -> None:
        with self._changed:
            self._closed = True
        for batch in self._busy:
            batch.end_all(_closed())
        while self._arrived:
            self._arrived.popleft().sink.end(_closed())

    def _wait(self) -> bool:
        """Waits until there is something to do; False once the loop is to end."""
        with self._changed:
            while not (self._closed or self._arrived or self._busy):
                self._changed.wait()
            return not self._closed

    def _join_arrived(self) -> None:
        """In order of arrival; a page that finds no slot is first again at the next turn."""
        waiting = []
        for _ in range(len(self._arrived)):
            job = self._arrived.popleft()
            if job.sink.stopped():
                job.sink.end(None)
            elif not self._joins(job):
                waiting.append(job)
        # In front of pages that came meanwhile: behind them, they might be overtaken for ever.
        self._arrived.extendleft(reversed(waiting))

    def _joins(self, job: PageJob) -> bool:
        """False if there is no free slot. A page that cannot join ends."""
        try:
            batch = self._batch_of(job)
            if batch.full:
                return False
            batch.join(job)
        except Exception as error:  # say, no memory for a model's slots: other models have theirs
            _log.exception("join_failed")
            job.sink.end(_failed(error))
            return True
        if batch not in self._busy:
            self._busy.append(batch)
        return True

    def _batch_of(self, job: PageJob) -> PageBatch:
        bundle = job.model.bundle
        if bundle not in self._batches:
            decoder = bundle.decoder(self._slots)
            self._batches[bundle] = PageBatch(decoder, self._prefixes)
        return self._batches[bundle]


def _failed(error: Exception) -> EngineError:
    return EngineError(f"the engine failed: {error}")


def _closed() -> EngineError:
    return EngineError("the engine is closing")
