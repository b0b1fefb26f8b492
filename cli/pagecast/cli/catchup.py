"""Waits until the ingest workers have processed what was published."""

from collections.abc import Callable

from pagecast.cli.exits import CommandError
from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.streaming.progress import NotIngestedInTime, Positions, wait_until_ingested


def wait_for_ingest(
    bootstrap_servers: Bootstrap,
    group: str,
    acknowledged: Positions,
    on_look: Callable[[Positions], None],
    *,
    seconds_max: float,
) -> None:
    """Returns once the group has committed all that was acknowledged.

    `on_look` takes what is committed so far, and may end the wait by raising. Raises CommandError
    if it takes too long.
    """
    try:
        wait_until_ingested(bootstrap_servers, group, acknowledged, seconds_max, on_look)
    except NotIngestedInTime as error:
        raise CommandError(
            str(error), "see whether an ingest worker runs (`pagecast doctor`), and its log"
        ) from error
