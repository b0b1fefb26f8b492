"""SIGTERM and SIGINT ask a process to end cleanly; a second one insists."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, kw_only=True)
class EndWanted:
    """Events of the running event loop."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    insisted: asyncio.Event = field(default_factory=asyncio.Event)

    def once_more(self) -> None:
        (self.insisted if self.asked.is_set() else self.asked).set()


@contextmanager
def end_wanted() -> Iterator[EndWanted]:
    """Follows the signals inside the `with` block, in the main thread's running loop."""
    loop, end = asyncio.get_running_loop(), EndWanted()
    for number in SIGNALS:
        loop.add_signal_handler(number, end.once_more)
    try:
        yield end
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
