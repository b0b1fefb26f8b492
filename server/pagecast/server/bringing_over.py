"""Step 9 of the life of a model: histories are fed to a new champion in what time pages leave.

Behind a page that the champion before has made for somebody who has not come over yet
(`succession`), the same prompt is fed to the new one. The person's next page is the new champion's,
and feeds no more than one before a swap (docs/adr/0022-loading-steps-back.md).
"""

import threading
from concurrent.futures import ThreadPoolExecutor

import structlog

from pagecast.engine.errors import EngineError
from pagecast.engine.model import Model
from pagecast.engine.prefix_cache import PrefixCache
from pagecast.engine.prefix_feeder import PrefixFeeder
from pagecast.featurestore.prompt import Prompt
from pagecast.server.stepping_back import step_back

_log = structlog.get_logger(__name__)

BRINGING_MAX = 128
"""People whose histories wait to be fed. A prompt of 260 positions takes 60 ms of a core: so many
take eight seconds. Who finds no room comes over at a moment of their own."""


class BringingOver:
    """One thread that steps back behind pages. Safe for threads; call `close` in the end."""

    def __init__(self, prefixes: PrefixCache) -> None:
        self._feeder = PrefixFeeder(prefixes)
        self._changing = threading.Lock()
        self._waiting: set[str] = set()
        self._closing = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bring-over", initializer=step_back)

    def __len__(self) -> int:
        """People who wait, or whose history is being fed."""
        return len(self._waiting)

    def bring(self, model: Model, user_id: str, prompt: Prompt, before: str) -> None:
        """Feeds the prompt's history to `model` if it is kept for version `before`. Never waits;
        does nothing for somebody who waits already, or if BRINGING_MAX do."""
        with self._changing:
            if self._closing.is_set() or user_id in self._waiting:
                return
            if len(self._waiting) >= BRINGING_MAX:
                return
            self._waiting.add(user_id)
            self._thread.submit(self._feed, model, user_id, prompt, before)

    def close(self) -> None:
        """Waits for a chunk at most."""
        with self._changing:
            self._closing.set()
        self._thread.shutdown(cancel_futures=True)

    def _feed(self, model: Model, user_id: str, prompt: Prompt, before: str) -> None:
        try:
            self._feeder.feed(model, user_id, prompt, before, self._closing.is_set)
        except EngineError as error:
            # Who was to be brought over comes over at a moment of their own, as a page will tell.
            _log.warning("history_not_fed", version=model.version, error=str(error))
        finally:
            with self._changing:
                self._waiting.discard(user_id)
