"""Connections to a PostgreSQL that may hang: it takes what it is sent and answers nothing.

The kernel of such a server acknowledges every byte, so that none of the limits on a connection
notices. Here it is noticed by who waits: in the driver, where all waiting is done.
"""

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

ANSWER_SECONDS_MAX = 120.0
"""A PostgreSQL that says nothing for so long hangs: a statement of ours takes seconds, and so does
waiting for one's turn. At no limit who asked it stays with it after another one took its place."""

T = TypeVar("T")


class AnsweringConnection(psycopg.Connection[Any]):
    """Is closed, and raises OperationalError, if the server says nothing for ANSWER_SECONDS_MAX.

    An answer that has begun may take as long as it goes on.
    """

    is_patient = False
    """Waits without end, for what does take minutes."""

    def wait(self, gen: PQGen[T], *limits: Any, **named: Any) -> T:
        """As the driver's, which all statements wait in."""
        return super().wait(self._answered(gen), *limits, **named)

    def _answered(self, waiting: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """What `waiting` yields and is sent: which way bytes are to go, and whether they can."""
        heard_s, ready = time.monotonic(), None
        while True:
            try:
                wanted = waiting.send(ready)
            except StopIteration as end:
                answer: T = end.value
                return answer
            ready = yield wanted
            if ready:
                heard_s = time.monotonic()
            elif not self.is_patient and time.monotonic() - heard_s > ANSWER_SECONDS_MAX:
                self.close()
                raise psycopg.OperationalError(
                    f"the server has not answered for {ANSWER_SECONDS_MAX:g} seconds: see whether "
                    "it hangs, or what holds its locks (pg_stat_activity)"
                )
