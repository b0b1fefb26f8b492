"""Step 7, first half: an event arrives, and its user's page changes."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pagecast.cli.client import TryAgainError
from pagecast.cli.demo.difference import Difference, difference
from pagecast.cli.demo.pages import show_page
from pagecast.cli.demo.stage import POLL_SECONDS, CheckFailedError, Deadline, Stage
from pagecast.cli.pages import Page
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.stable_id import event_id
from pagecast.eventlog.topics import INTERACTIONS
from pagecast.v1 import events_pb2

WATCHED = 3
"""Films that the person watches to the end and rates; one more is begun but not finished."""

MINUTES_WATCHED = 31
"""Minutes of the unfinished one: enough to want to go on."""

EVENT_GAP_MS = 1000
"""Between two events, by the client's clock."""


@dataclass(frozen=True, kw_only=True)
class Film:
    """One that the person is about to watch."""

    entity_id: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """What the events did. Seconds are from the first produced event."""

    history_seconds: float
    """Until the history contained them all."""
    page_seconds: float
    """Until the page that had them in its prompt was complete."""
    difference: Difference


def show_change(
    stage: Stage, producer: EventProducer, user_id: str, films: Sequence[Film]
) -> Change:
    """Shows a page before and after events about `films`, the last of them left unfinished.

    All pages have the same moment and seed. Raises CheckFailedError if the control page differs,
    the events do not arrive, or nothing but the watched films' removal changed.
    """
    at_ms = time.time_ns() // 1_000_000
    before = stage.sound(lambda: stage.page(user_id, at_ms=at_ms))
    stage.console.print("\n  [bold]before[/]")
    control = stage.sound(lambda: show_page(stage, user_id, at_ms=at_ms))
    if control.layout() != before.layout():
        raise CheckFailedError("the same request without an event gave another page")
    stage.console.print("  [green]✓[/] asked twice without an event: the identical page")
    events = watching(user_id, films, at_ms)
    titles = ", ".join(film.title for film in films)
    stage.console.print(f"  {len(events)} events to Kafka, about {titles}")
    begin = time.perf_counter()
    for event in events:
        producer.send(INTERACTIONS, user_id, event)
    producer.flush()
    _wait_until_contained(stage, producer, user_id)
    history_seconds = time.perf_counter() - begin
    after = stage.sound(lambda: stage.page(user_id, at_ms=at_ms))
    page_seconds = time.perf_counter() - begin
    stage.console.print("\n  [bold]after[/]")
    show_page(stage, user_id, at_ms=at_ms, marked=_entered(before, after))
    changed = difference(before, after, [film.entity_id for film in films])
    _tell(stage, changed)
    if not changed.beyond_removal:
        raise CheckFailedError("the events changed nothing but what may no longer be shown")
    stage.console.print(
        f"  in the history after [bold]{history_seconds:.2f} s[/], "
        f"on the page after [bold]{page_seconds:.2f} s[/]"
    )
    return Change(history_seconds=history_seconds, page_seconds=page_seconds, difference=changed)


def watching(user_id: str, films: Sequence[Film], at_ms: int) -> list[events_pb2.InteractionEvent]:
    """A Play and a Rate of each film but the last, which has a Play and a Stop; ends at `at_ms`."""
    *finished, begun = [film.entity_id for film in films]
    events: list[events_pb2.InteractionEvent] = []
    for film in finished:
        play = events_pb2.Play(entity_id=film, kind=events_pb2.PLAY_KIND_FEATURE)
        rate = events_pb2.Rate(entity_id=film, rating=5.0)
        events += [events_pb2.InteractionEvent(play=play), events_pb2.InteractionEvent(rate=rate)]
    play = events_pb2.Play(entity_id=begun, kind=events_pb2.PLAY_KIND_FEATURE)
    stop = events_pb2.Stop(entity_id=begun)
    stop.watched.FromSeconds(MINUTES_WATCHED * 60)
    stop.resume_position.FromSeconds(MINUTES_WATCHED * 60)
    events += [events_pb2.InteractionEvent(play=play), events_pb2.InteractionEvent(stop=stop)]
    for index, event in enumerate(events):
        occurred_at_ms = at_ms - (len(events) - index) * EVENT_GAP_MS
        event.event_id = event_id(occurred_at_ms, f"demo/{user_id}/{index}")
        event.user_id = user_id
        event.occurred_at.FromMilliseconds(occurred_at_ms)
        event.context.session_id = f"{user_id}-demo"
    return events


def _wait_until_contained(stage: Stage, producer: EventProducer, user_id: str) -> None:
    """Waits until the history's version reaches the producer's last interaction event."""
    deadline = Deadline()
    wanted = {p: n for (topic, p), n in producer.acknowledged.items() if topic == INTERACTIONS}
    while True:
        with suppress(TryAgainError):
            found = stage.client.history(user_id, steps_max=1)
            if found is not None and _contains(found.version, wanted):
                return
        deadline.check("the events were not in the history")
        time.sleep(POLL_SECONDS)


def _contains(version: events_pb2.HistoryVersion, wanted: Mapping[int, int]) -> bool:
    """`wanted` is the offset after the last event, by partition."""
    return version.partition in wanted and version.next_offset >= wanted[version.partition]


def _entered(before: Page, after: Page) -> list[str]:
    stood = {e.entity_id for row in before.rows for e in row.entities}
    placed = [e.entity_id for row in after.rows for e in row.entities]
    return [entity for entity in placed if entity not in stood]


def _tell(stage: Stage, changed: Difference) -> None:
    for what, titles in (
        ("new rows", changed.rows_new),
        ("rows gone", changed.rows_gone),
        ("rows moved", changed.rows_moved),
    ):
        if titles:
            stage.console.print(f"  {what}: {', '.join(titles)}", markup=False)
    stage.console.print(
        f"  {len(changed.entities_new)} entities are new on the page (marked), "
        f"{len(changed.entities_gone)} left it beside the watched ones"
    )
