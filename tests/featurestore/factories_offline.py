"""Rows of the offline log, and processes that append, or die at a chosen change of the disk."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Event
from pathlib import Path

from factories import START_MS, event_id, play, timestamp
from factories_forking import forking

from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.v1 import events_pb2

DAY_MS = 86_400_000

TOPIC = "topic/1"


def row_of(
    event: events_pb2.InteractionEvent,
    offset: int = 0,
    *,
    partition: int = 0,
    topic_id: str = TOPIC,
) -> LoggedEvent:
    value = event.SerializeToString(deterministic=True)
    return LoggedEvent(topic_id, partition, offset, token_of(event), value)


def logged(
    offset: int,
    *,
    partition: int = 0,
    topic_id: str = TOPIC,
    at_ms: int = START_MS,
    user_id: str = "ada",
) -> LoggedEvent:
    event = play(user_id, f"e{offset}", at_ms + offset)
    return row_of(event, offset, partition=partition, topic_id=topic_id)


def over_days(count: int, days: int, *, user_id: str = "ada", begin: int = 0) -> list[LoggedEvent]:
    """Events of which each is on another day than the one before."""
    return [
        logged(n, at_ms=START_MS + n % days * DAY_MS, user_id=user_id)
        for n in range(begin, begin + count)
    ]


def page(
    offset: int = 0,
    *rows: Sequence[str],
    page_id: str = "p1",
    user_id: str = "ada",
    at_ms: int = START_MS,
    history: events_pb2.HistoryVersion | None = None,
) -> LoggedPage:
    """A served page; its rows are called r0, r1..."""
    served = events_pb2.PageServed(
        page_id=page_id,
        user_id=user_id,
        requested_at=timestamp(at_ms),
        model_version="m1",
        arm="a1",
        history_version=history,
        rows=[
            events_pb2.ServedRow(row_id=f"r{position}", entity_ids=entities)
            for position, entities in enumerate(rows)
        ],
    )
    value = served.SerializeToString(deterministic=True)
    return LoggedPage("pages/1", 0, offset, served, value)


def on_page(
    at_ms: int = START_MS,
    *,
    page_id: str = "p1",
    user_id: str = "ada",
    salt: str = "",
    **action: object,
) -> events_pb2.InteractionEvent:
    """An event that carries a page's id."""
    return events_pb2.InteractionEvent(
        event_id=event_id(at_ms, f"{salt}/{user_id}/{page_id}/{sorted(action.items(), key=str)}"),
        user_id=user_id,
        occurred_at=timestamp(at_ms),
        context=events_pb2.RequestContext(page_id=page_id, device="tv"),
        **action,
    )


def parts(root: Path, dataset: str = "interactions") -> list[Path]:
    return sorted((root / dataset).rglob("*.parquet"))


def append_for_ever(root: Path, started: Event) -> None:
    """Fifty rows at a time, until its process is killed."""
    log, offset = OfflineLog(root), 0
    while True:
        log.append([logged(n) for n in range(offset, offset + 50)])
        offset += 50
        started.set()


def _is_change(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether an audit event says that a file is about to appear or to go."""
    if event == "os.remove":
        return Path(str(arguments[0])).exists()
    return event == "os.rename"


def _die_before(change: int, work: Callable[[Path], None], root: Path) -> None:
    seen = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if _is_change(event, arguments):
            if seen == change:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    sys.addaudithook(count)
    work(root)


def run_killed(change: int, work: Callable[[Path], None], root: Path) -> bool:
    """Runs `work` in a process that is killed before its `change`-th file appears or goes.

    Returns False if it came to its end first.
    """
    process = forking().Process(target=_die_before, args=(change, work, root))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0
