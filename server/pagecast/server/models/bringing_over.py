"""Step 9 of the life of a model: histories are fed to a new champion in the time pages leave free.

After a page that the previous champion made for somebody who has not come over yet (`succession`),
the same prompt is fed to the new one. The person's next page is the new champion's, and feeds no
more than a page before the swap did (docs/adr/0022-loading-steps-back.md).
"""

import threading
import time
from concurrent.futures import Executor

import structlog

from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.batching.prefix_feeder import PrefixFeeder, PrefixJob, prepare_prefix
from pagecast.engine.errors import EngineError
from pagecast.engine.model import Model
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.server.page.stepping_back import low_priority_thread

_log = structlog.get_logger(__name__)

BRINGING_MAX = 128
"""People whose histories wait to be fed. A prompt of 260 positions takes 60 ms of a core: so many
take half a minute, pauses included. Those who find no room come over at moments of their own."""

PAUSE_SHARE = 2.0
"""Pause after each, as a multiple of its time: all visitors of a busy server are back within
seconds, and their histories in a row would fill it. So they take a third of a core at most."""


class BringingOver:
    """One thread that steps back behind pages. Safe for threads; call `close` in the end.

    The tokens of a prompt, which hold Python's lock, are made in `preparing` at full priority.
    """

    def __init__(self, prefixes: PrefixCache, preparing: Executor) -> None:
        self._prefixes = prefixes
        self._preparing = preparing
        self._feeder = PrefixFeeder(prefixes)
        self._changing = threading.Lock()
        self._waiting: set[str] = set()
        self._closing = threading.Event()
        self._thread = low_priority_thread("bring-over")

    def __len__(self) -> int:
        """People who wait, or whose history is being fed."""
        return len(self._waiting)

    def bring(self, model: Model, user_id: str, prompt: Prompt, before: str) -> None:
        """Feeds the prompt's history to `model` if it is kept for version `before`. Never waits;
        does nothing for somebody who waits already, or if BRINGING_MAX do."""
        with self._changing:
            if user_id in self._waiting or len(self._waiting) >= BRINGING_MAX:
                return
            self._waiting.add(user_id)
        self._preparing.submit(self._begin, model, user_id, prompt, before)

    def close(self) -> None:
        """Waits at most for the chunk being fed."""
        self._closing.set()
        self._thread.shutdown(cancel_futures=True)

    def _begin(self, model: Model, user_id: str, prompt: Prompt, before: str) -> None:
        try:
            job = prepare_prefix(model, user_id, prompt, before, self._prefixes)
            if job is not None and not self._closing.is_set():
                self._thread.submit(self._feed, job)
                return
        except EngineError as error:
            _tell(model.version, error)
        self._done(user_id)

    def _feed(self, job: PrefixJob) -> None:
        user_id, version = job.key
        began_s = time.monotonic()
        try:
            self._feeder.feed(job, self._closing.is_set)
        except EngineError as error:
            _tell(version, error)
        finally:
            self._done(user_id)
        self._closing.wait(PAUSE_SHARE * (time.monotonic() - began_s))

    def _done(self, user_id: str) -> None:
        with self._changing:
            self._waiting.discard(user_id)


def _tell(version: str, error: EngineError) -> None:
    """Logs that somebody was not fed: they come over at a moment of their own, as a page tells."""
    _log.warning("history_not_fed", version=version, error=str(error))
