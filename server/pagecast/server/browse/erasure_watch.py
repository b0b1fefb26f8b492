"""Whether a user has asked to be forgotten, looked up for every part of a page that is browsed."""

from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pagecast.featurestore.erasures import Erasures
from pagecast.server.rpc.bounded_calls import BoundedCalls

_log = structlog.get_logger(__name__)

ERASURES_TIME_MAX_S = 1.0
"""After this a part goes on as if nobody had asked: a database that hangs must not hold the threads
that prepare everybody's pages. Stalls of a busy machine are shorter."""


class ErasureWatch:
    """When users last asked to be forgotten; safe for threads. Call `close` in the end."""

    def __init__(self, erasures: Erasures) -> None:
        self._erasures = erasures
        # One: the reader that follows the table is for one thread, and a look takes a millisecond.
        self._reads = BoundedCalls("erasure-watch", 1)

    def newest_ms(self, user_id: str) -> int | None:
        """0 for never; None if the database does not answer, or not in time."""
        try:
            return self._reads.of(partial(self._newest_ms, user_id), ERASURES_TIME_MAX_S)
        except (SQLAlchemyError, TimeoutError) as error:
            _log.warning("erasures_not_read", error=f"{type(error).__name__}: {error}")
            return None

    def close(self) -> None:
        """Does not wait for a database that hangs."""
        self._reads.close()

    def _newest_ms(self, user_id: str) -> int:
        return self._erasures.requested_at_ms([user_id]).get(user_id, 0)
