"""Somebody who keeps reading pages in a thread of their own: no swap may disturb them."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, groupby
from types import TracebackType
from typing import Self

from pagecast.cli.demo.stage import Stage
from pagecast.cli.exits import CliError

PAUSE_SECONDS = 0.2
"""Between two pages: often enough to see a swap at once, and little load beside the training."""

PAGES_MAX = 5_000
"""A reader that nobody stops ends after these: in a quarter of an hour, at this pace."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """One page: when it was complete (`time.perf_counter`), and how it was."""

    user_id: str
    at_s: float
    version: str
    first_row_ms: float
    degraded: bool


class Reader:
    """Reads pages of these users in turn until the `with` block ends."""

    def __init__(self, stage: Stage, users: Sequence[str]) -> None:
        self._stage, self._users = stage, users
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-reader", daemon=True)
        self.pages: list[Read] = []
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def first_of(self, version: str) -> Read | None:
        """The first page read that a model made."""
        return next((page for page in list(self.pages) if page.version == version), None)

    @property
    def users(self) -> set[str]:
        """Those who have read a page."""
        return {page.user_id for page in self.pages}

    def versions(self, user_id: str) -> list[str]:
        """The models of a user's pages in the order of reading, each change once."""
        own = [page.version for page in self.pages if page.user_id == user_id]
        return [version for version, _ in groupby(own)]

    def _run(self) -> None:
        for _, user_id in zip(range(PAGES_MAX), cycle(self._users), strict=False):
            try:
                page = self._stage.page(user_id)
            except CliError as error:
                self.failures.append(str(error))
            else:
                self.pages.append(
                    Read(
                        user_id=user_id,
                        at_s=time.perf_counter(),
                        version=page.started.model_version,
                        first_row_ms=page.first_row_ms,
                        degraded=bool(page.started.degraded_reason),
                    )
                )
            if self._stopping.wait(PAUSE_SECONDS):
                return
