"""Waits until the ingest workers have done what was published."""

import time
from collections.abc import Callable, Mapping

from pagecast.cli.exits import CommandError
from pagecast.eventlog.admin import Admin

POLL_SECONDS = 0.2
"""Between two looks at what the workers have committed: they commit about once a second."""

Positions = Mapping[tuple[str, int], int]
"""By (topic, partition): the offset after the last record."""


def wait_until_ingested(
    bootstrap_servers: str,
    group: str,
    acknowledged: Positions,
    on_look: Callable[[Positions], None],
    *,
    seconds_max: float,
) -> None:
    """Returns once the group has committed all that was acknowledged.

    The workers commit after they have written: what is committed is in the feature store.
    `on_look` is given what is committed so far; what it raises ends the wait. Raises CommandError
    if it takes too long.
    """
    until = time.monotonic() + seconds_max
    with Admin(bootstrap_servers) as admin:
        while True:
            committed = admin.committed(group)
            on_look(committed)
            behind = [at for at, offset in acknowledged.items() if committed.get(at, 0) < offset]
            if not behind:
                return
            if time.monotonic() > until:
                raise CommandError(
                    f"group {group} has not ingested everything in {seconds_max:.0f} s: "
                    f"{len(behind)} partitions are behind",
                    "see whether an ingest worker runs (`pagecast doctor`) and its log",
                )
            time.sleep(POLL_SECONDS)
