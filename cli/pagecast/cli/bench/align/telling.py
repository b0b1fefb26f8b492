"""How far a run of hours is: a bar on a terminal, else lines in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from pagecast.cli.progress import progress_bar

Told = Callable[[str, float], None]
"""Takes what is being done, and which share of it is done."""

LINE_S = 60.0
"""Seconds between two lines about one thing: often enough to see that it goes on, and a log of
hours stays short."""


def nobody(_what: str, _share: float) -> None:
    """Tells nobody."""


class Telling:
    """Takes what is being done, as `Told`; `begin` says of which part of the whole."""

    def __init__(
        self,
        console: Console,
        progress: Progress,
        task: TaskID,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._progress, self._task, self._clock = console, progress, task, clock
        self._part, self._what, self._line_s = "", "", -LINE_S

    def begin(self, part: str, done: int) -> None:
        """The next part; `done` are those before it."""
        self._part, self._what = part, ""
        self._progress.update(self._task, completed=done, note=escape(part))

    def __call__(self, what: str, share: float) -> None:
        told = f"{self._part}: {what} {share:.0%}" if self._part else f"{what} {share:.0%}"
        self._progress.update(self._task, note=escape(told))
        if self._console.is_terminal:
            return
        now_s = self._clock()
        if what != self._what or now_s - self._line_s >= LINE_S:
            self._what, self._line_s = what, now_s
            at = datetime.now(UTC)
            self._console.print(f"{at:%H:%M:%S} {escape(told)}", soft_wrap=True)


@contextmanager
def telling(console: Console, description: str, total: int) -> Iterator[Telling]:
    """For a run of `total` parts."""
    with progress_bar(console) as progress:
        task = progress.add_task(description, total=total, note="")
        yield Telling(console, progress, task)
        progress.update(task, completed=total, note="")
