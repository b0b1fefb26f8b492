"""Work that is done again and again in a thread of its own."""

import threading
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)


class Periodic:
    """Calls `action` every `period_s` from now on. Call `stop` in the end.

    An action that fails is logged once and called again, so it must leave things as they were.
    """

    def __init__(self, name: str, period_s: float, action: Callable[[], None]) -> None:
        self._name = name
        self._period_s = period_s
        self._action = action
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Waits for a running action."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        failing = False
        while not self._stopping.wait(self._period_s):
            try:
                self._action()
            except Exception as error:
                if not failing:
                    _log.warning("periodic_work_failed", work=self._name, error=str(error))
                failing = True
            else:
                failing = False
