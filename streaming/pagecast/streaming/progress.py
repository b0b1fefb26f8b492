"""How far ingest has come, compared with what a producer has sent."""

import time
from collections.abc import Callable, Mapping

from pagecast.eventlog.admin import Admin
from pagecast.eventlog.bootstrap import Bootstrap

Positions = Mapping[tuple[str, int], int]
"""By (topic, partition): the offset after the last record."""

POLL_S = 0.1
"""Pause between two questions to the broker; a wait ends at most this much late."""


class NotIngestedInTime(TimeoutError):  # noqa: N818 - named by what is wrong, as the others are
    """The workers have not got that far; the message says what is missing."""


def wait_until_ingested(
    bootstrap: Bootstrap,
    group: str,
    positions: Positions,
    timeout_s: float,
    on_look: Callable[[Positions], None] | None = None,
) -> None:
    """Waits until the group has committed these offsets: until all before them is in every store.

    `positions` is by (topic, partition), as `EventProducer.acknowledged` gives it; the end
    offsets that brokers report are not used, because the embedded one's are wrong. Workers commit
    about once a second. `on_look` is told what is committed, again and again; what it raises ends
    the wait. Raises NotIngestedInTime and BrokerUnavailable.
    """
    deadline = time.monotonic() + timeout_s
    with Admin(bootstrap) as admin:
        while True:
            committed = admin.committed(group)
            if on_look is not None:
                on_look(committed)
            missing = records_missing(committed, positions)
            if not missing:
                return
            if time.monotonic() >= deadline:
                raise NotIngestedInTime(
                    f"group {group} is {missing} records behind after {timeout_s:g} s"
                )
            time.sleep(POLL_S)


def records_missing(committed: Positions, positions: Positions) -> int:
    """Records before `positions` that are not committed yet."""
    return sum(max(0, to - committed.get(at, 0)) for at, to in positions.items())
