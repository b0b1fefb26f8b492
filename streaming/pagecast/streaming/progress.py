"""How far ingest has come, compared with what a producer has sent."""

import time
from collections.abc import Mapping

from pagecast.eventlog.admin import Admin

POLL_S = 0.05
"""Between two questions to the broker; a wait ends at most this much late."""


class NotIngestedInTime(TimeoutError):  # noqa: N818 - named by what is wrong, as the others are
    """The workers have not come so far; the message says what is missing."""


def wait_until_ingested(
    bootstrap: str,
    group: str,
    positions: Mapping[tuple[str, int], int],
    timeout_s: float,
) -> None:
    """Waits until the group has committed these offsets: until all before them is in every store.

    `positions` is by (topic, partition), as `EventProducer.acknowledged` gives it; the end
    offsets that brokers report are not used, because the embedded one's are wrong. Workers commit
    about once a second. Raises NotIngestedInTime and BrokerUnavailable.
    """
    deadline = time.monotonic() + timeout_s
    with Admin(bootstrap) as admin:
        while missing := records_missing(admin.committed(group), positions):
            if time.monotonic() >= deadline:
                raise NotIngestedInTime(
                    f"group {group} is {missing} records behind after {timeout_s:g} s: see "
                    "whether an ingest worker runs and what its log says"
                )
            time.sleep(POLL_S)


def records_missing(
    committed: Mapping[tuple[str, int], int], positions: Mapping[tuple[str, int], int]
) -> int:
    """Records before `positions` that are not committed yet."""
    return sum(max(0, to - committed.get(at, 0)) for at, to in positions.items())
