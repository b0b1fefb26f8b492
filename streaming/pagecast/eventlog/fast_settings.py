"""How librdkafka is set for a consumer of the event log."""

from collections.abc import Callable
from typing import Any

from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.connection import RECONNECT_BACKOFF_MS_MAX, REQUEST_TIMEOUT_MS
from pagecast.eventlog.consumer import FETCH_WAIT_MS_MAX

FETCHED_KIB_MAX = 16 * 1024
"""Records fetched and not polled yet: several polls' worth; librdkafka's own bound is 64 MiB."""

FETCHED_RECORDS_MIN = 10_000
"""It goes on fetching while fewer wait, so that a poll never waits for the network."""

FETCH_PAUSE_MS = 1
"""How long it does not fetch when enough waits. By default a second, which stalls a fast reader."""

NO_GROUP = "pagecast-no-group"
"""librdkafka wants a name even from a client that joins no group and commits nothing."""

LOG_CRITICAL = 2
"""As syslog counts."""


def consumer_settings(
    bootstrap: Bootstrap, group: str | None, session_timeout_ms: int, on_commit: Callable[..., None]
) -> dict[str, Any]:
    """What `confluent_kafka.Consumer` is made with."""
    return {
        "bootstrap.servers": str(bootstrap),
        "group.id": NO_GROUP if group is None else group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Where to begin is decided here: a silent jump would lose events.
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        # What kafka-python's members speak too, so that a group may have both.
        "partition.assignment.strategy": "range,roundrobin",
        "fetch.wait.max.ms": FETCH_WAIT_MS_MAX,
        "fetch.queue.backoff.ms": FETCH_PAUSE_MS,
        "fetch.error.backoff.ms": FETCH_WAIT_MS_MAX,
        "queued.min.messages": FETCHED_RECORDS_MIN,
        "queued.max.messages.kbytes": FETCHED_KIB_MAX,
        "session.timeout.ms": session_timeout_ms,
        "heartbeat.interval.ms": session_timeout_ms // 4,
        "socket.timeout.ms": REQUEST_TIMEOUT_MS,
        "reconnect.backoff.max.ms": RECONNECT_BACKOFF_MS_MAX,
        # It would log a line for every attempt to connect; what matters is raised.
        "log_level": LOG_CRITICAL,
        "on_commit": on_commit,
    }
