"""Step 3 of the life of a page: one read brings what is known of a user.

A read that takes too long is given up (`bounded_calls`), and the page goes on without it.
"""

from dataclasses import dataclass
from functools import partial

import structlog

from pagecast.featurestore.history.history import History, Profile
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.server.rpc.bounded_calls import BoundedCalls
from pagecast.v1 import events_pb2

_log = structlog.get_logger(__name__)

READ_THREADS = 2
"""A read takes about a millisecond; more threads would only take the core from decoding."""

READ_TIME_MAX_S = 1.0
"""After this a page goes on without a history: late is worse than less personal. Stalls of a busy
machine are shorter."""


class StoreUnavailable(Exception):  # noqa: N818 - named as the reason clients see
    """What is known of a user could not be read, or not in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """What is known of a user; a stranger has no history and the default profile."""

    history: History | None
    profile: Profile


STRANGER = User(history=None, profile=Profile())


def version_message(history: History | None) -> events_pb2.HistoryVersion | None:
    if history is None or history.version is None:
        return None
    version = history.version
    return events_pb2.HistoryVersion(
        topic_id=version.topic_id, partition=version.partition, next_offset=version.next_offset
    )


class Users:
    """Reads users; safe for threads. Call `close` in the end."""

    def __init__(self, store: OnlineFeatures) -> None:
        self._store = store
        self._reads = BoundedCalls("user-read", READ_THREADS)
        self._failing = False

    def read(self, user_id: str, time_max_s: float = READ_TIME_MAX_S) -> User:
        """Blocks for `time_max_s` at most, and never longer than READ_TIME_MAX_S.

        Raises StoreUnavailable.
        """
        try:
            user = self._read_in_time(user_id, min(time_max_s, READ_TIME_MAX_S))
        except StoreUnavailable as error:
            if not self._failing:  # said once, not with every page
                _log.error("online_store_unavailable", error=str(error))
            self._failing = True
            raise
        if self._failing:
            _log.info("online_store_available_again")
        self._failing = False
        return user

    def close(self) -> None:
        """Does not wait for a store that hangs."""
        self._reads.close()
        self._store.close()

    def _read_in_time(self, user_id: str, time_max_s: float) -> User:
        try:
            return self._reads.of(partial(self._read, user_id), time_max_s)
        except Exception as error:  # a store raises what its driver raises
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    def _read(self, user_id: str) -> User:
        history, profile = self._store.read_user(user_id)
        return User(history=history, profile=profile)
