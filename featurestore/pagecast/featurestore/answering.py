"""Connections that notice a PostgreSQL which hangs: it takes what it is sent and answers nothing.

The kernel of such a server acknowledges every byte, so none of the limits on a connection notices.
We notice in the driver, where all waiting is done.
"""

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

ANSWER_SECONDS_MAX = 120.0
"""A PostgreSQL that says nothing for this long hangs: our statements take seconds, and so does
waiting for one's turn. Without a limit, a caller would stay with it even after another server took
its place."""

T = TypeVar("T")


class AnsweringConnection(psycopg.Connection[Any]):
    """Closes itself and raises OperationalError if the server says nothing for ANSWER_SECONDS_MAX.

    An answer that has begun may take as long as bytes keep coming.
    """

    is_patient = False
    """Whether to wait without end, for what does take minutes."""

    def wait(self, gen: PQGen[T], *limits: Any, **named: Any) -> T:
        """Like the driver's, in which all statements wait."""
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
