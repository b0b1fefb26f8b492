"""The platform as its clients know it: pages over gRPC, events and catalog changes over Kafka."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import grpc

from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import CATALOG, INTERACTIONS
from pagecast.eventlog.validation import catalog_key
from pagecast.simulator.errors import ClockRefused, PlatformFailed, PlatformUnavailable
from pagecast.simulator.events import Visit, timestamp
from pagecast.simulator.page import ShownPage, ShownRow
from pagecast.v1 import (
    catalog_pb2,
    events_pb2,
    feature_pb2,
    feature_pb2_grpc,
    homepage_pb2,
    homepage_pb2_grpc,
)

PAGE_SECONDS_MAX = 30.0
"""Deadline of a page: a busy machine takes seconds."""

CALL_SECONDS_MAX = 10.0
"""Deadline of the other calls: each is one read of a store."""

FORGET_SECONDS_MAX = 40.0
"""Deadline of an erasure: after 30 s a server answers that it is not complete yet."""

TRIES_MAX = 6
"""Times a page is asked for while the server says that it cannot at the moment."""

PAUSE_SECONDS = 0.1
"""Before the second try; doubled before each further one, 3 s in all."""

CAUGHT_UP_SECONDS_MAX = 15.0
"""How long a member waits for the history to hold what they did. Longer means that ingest does not
run; the page is then asked for all the same, and counted as late."""

POLL_SECONDS = 0.005
"""Between two looks at a history: an event is in it after tens of milliseconds."""

_BUSY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

_Answer = TypeVar("_Answer")


class Platform(Protocol):
    """What a simulation needs."""

    late_pages: int
    """Pages asked for although the history did not hold yet what the member had done."""

    def try_page(self, user_id: str, at_ms: int) -> None:
        """Raises if a page of a moment cannot be had, before anything is published for it."""
        ...

    def page(self, visit: Visit, at_ms: int, seed: int) -> ShownPage:
        """A page for a moment, once the user's history holds what was published."""
        ...

    def publish(self, user_id: str, events: Sequence[events_pb2.InteractionEvent]) -> None:
        """Events of one user; they are in the event log when it returns."""
        ...

    def change_catalog(self, changes: Sequence[catalog_pb2.CatalogChange]) -> None: ...

    def knows(self, user_id: str) -> bool: ...

    def forget(self, user_id: str) -> bool:
        """Orders to erase a user; False if that was not confirmed in time. The order stands."""
        ...


class LivePlatform:
    """A platform that runs; used by several threads at once. Close it after use.

    Raises the errors of `pagecast.simulator.errors` and those of the event log.
    """

    def __init__(
        self, *, server: str, bootstrap: Bootstrap, rows: int = 0, entities_per_row: int = 0
    ) -> None:
        self._server, self._rows, self._entities = server, rows, entities_per_row
        self._producer = EventProducer(bootstrap, source="pagecast/simulator")
        self._channel = grpc.insecure_channel(server)
        self._pages = homepage_pb2_grpc.HomepageServiceStub(self._channel)
        self._features = feature_pb2_grpc.FeatureServiceStub(self._channel)
        self._publishing = threading.Lock()
        self._expected: dict[str, int] = {}
        """By user: the offset after the last event that was published."""
        self.late_pages = 0

    def close(self) -> None:
        self._channel.close()
        self._producer.close()

    def try_page(self, user_id: str, at_ms: int) -> None:
        self.page(Visit(user_id=user_id, session_id=f"{user_id}-try", device=""), at_ms, seed=0)

    def page(self, visit: Visit, at_ms: int, seed: int) -> ShownPage:
        self._wait_until_known(visit.user_id)
        request = homepage_pb2.StreamHomepageRequest(
            user_id=visit.user_id,
            context=visit.context(),
            rows=self._rows,
            entities_per_row=self._entities,
            granularity=homepage_pb2.GRANULARITY_ROWS,
            seed=seed,
            requested_at=timestamp(at_ms),
        )
        return self._asked(lambda: self._stream(request))

    def publish(self, user_id: str, events: Sequence[events_pb2.InteractionEvent]) -> None:
        if not events:
            return
        # One user at a time: whatever offset is new afterwards is theirs.
        with self._publishing:
            before = self._producer.acknowledged
            for event in events:
                self._producer.send(INTERACTIONS, user_id, event)
            self._producer.flush()
            after = self._producer.acknowledged
        changed = [offset for at, offset in after.items() if before.get(at) != offset]
        self._expected[user_id] = max(changed, default=0)

    def change_catalog(self, changes: Sequence[catalog_pb2.CatalogChange]) -> None:
        with self._publishing:
            for change in changes:
                self._producer.send(CATALOG, catalog_key(change), change)
            self._producer.flush()

    def knows(self, user_id: str) -> bool:
        return self._next_offset(user_id) > 0

    def forget(self, user_id: str) -> bool:
        request = feature_pb2.ForgetUserRequest(user_id=user_id)
        try:
            answer = self._features.ForgetUser(request, timeout=FORGET_SECONDS_MAX)
        except grpc.RpcError:
            return False
        return answer.HasField("completed_at")

    def _stream(self, request: homepage_pb2.StreamHomepageRequest) -> ShownPage:
        started, rows = homepage_pb2.PageStarted(), []
        for piece in self._pages.StreamHomepage(request, timeout=PAGE_SECONDS_MAX):
            if piece.HasField("page_started"):
                started = piece.page_started
            elif piece.HasField("row_completed"):
                rows.append(_row(piece.row_completed))
        return ShownPage(
            page_id=started.page_id,
            user_id=request.user_id,
            requested_at_ms=request.requested_at.ToMilliseconds(),
            rows=tuple(rows),
            model_version=started.model_version,
            arm=started.arm,
            degraded_reason=started.degraded_reason,
        )

    def _wait_until_known(self, user_id: str) -> None:
        wanted = self._expected.pop(user_id, 0)
        deadline = time.monotonic() + CAUGHT_UP_SECONDS_MAX
        while wanted and self._next_offset(user_id) < wanted:
            if time.monotonic() >= deadline:
                self.late_pages += 1
                return
            time.sleep(POLL_SECONDS)

    def _next_offset(self, user_id: str) -> int:
        """Of the user's last event in the history; 0 without one."""
        request = feature_pb2.GetHistoryRequest(user_id=user_id, steps_max=1)

        def ask() -> int:
            try:
                answer = self._features.GetHistory(request, timeout=CALL_SECONDS_MAX)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.NOT_FOUND:
                    return 0
                raise
            return int(answer.version.next_offset)

        return self._asked(ask)

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer:
        """Asks again, a few times, while the server cannot at the moment."""
        for attempt in range(TRIES_MAX - 1):
            try:
                return ask()
            except grpc.RpcError as error:
                if error.code() not in _BUSY:
                    raise _told(self._server, error) from error
            time.sleep(PAUSE_SECONDS * 2**attempt)
        with _telling(self._server):
            return ask()


@contextmanager
def _telling(server: str) -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise _told(server, error) from error


def _told(server: str, error: Any) -> Exception:
    code, details = error.code(), error.details() or ""
    if code in _BUSY:
        return PlatformUnavailable(f"the server at {server} does not answer: {details}")
    if code == grpc.StatusCode.INVALID_ARGUMENT and "requested_at" in details:
        return ClockRefused(f"the server at {server} does not take a client's clock: {details}")
    return PlatformFailed(f"the server at {server} answered {code.name}: {details}")


def _row(completed: homepage_pb2.RowCompleted) -> ShownRow:
    return ShownRow(
        row_id=completed.row.row_id,
        argument_entity_id=completed.row.argument_entity_id,
        entity_ids=tuple(entity.entity_id for entity in completed.entities),
    )
