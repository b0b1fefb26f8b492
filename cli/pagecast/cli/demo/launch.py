"""Step 7, second half: entities that no model has seen are launched and stand on pages."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

from google.protobuf.timestamp_pb2 import Timestamp

from pagecast.cli.demo.stage import POLL_SECONDS, CheckFailedError, Deadline, Stage
from pagecast.cli.pages import PageEntity, PageRow
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import CATALOG
from pagecast.v1 import catalog_pb2, homepage_pb2

WINDOW_SECONDS = 15
"""How long the live event is on: long enough to be placed, short enough to wait for its end."""

WINDOW_MARGIN_SECONDS = 0.05
"""Our clock and the server's may be read in a different order than they tick."""

ROWS_LONG, ENTITIES_LONG = 40, 20
"""The page to the end of the scroll, with every eligible row, so that an entity is left out by the
model and not by the length of the page."""

PINNED_ROWS = frozenset({"continue"})
"""Rows of the demo's catalog that have a place of their own: being in one would prove nothing."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A launched entity on a page, `seconds` after its change was produced."""

    entity_id: str
    kind: str
    title: str
    row_id: str
    row_title: str
    user_id: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What became of the launched entities."""

    placed: tuple[Placed, ...]
    pages_after_window: int
    """Pages without the live event, streamed once its window had closed."""


def new_entities(now_ms: int, year: int, window_seconds: int) -> list[catalog_pb2.Entity]:
    """A film, a game and a live event with a window; `year` is of the data set's calendar.

    Their genres are the catalog's ("Strategy" is not), so each competes with all films of a genre.
    """
    film = catalog_pb2.Entity(
        entity_id="new-film",
        kind=catalog_pb2.ENTITY_KIND_MOVIE,
        title="The Lantern Sea",
        genres=["Adventure", "Fantasy"],
    )
    game = catalog_pb2.Entity(
        entity_id="new-game",
        kind=catalog_pb2.ENTITY_KIND_GAME,
        title="Iron Harbour",
        genres=["Strategy", "War", "Action"],
    )
    live = catalog_pb2.Entity(
        entity_id="new-live",
        kind=catalog_pb2.ENTITY_KIND_LIVE_EVENT,
        title="Live: An Evening of Musicals",
        genres=["Musical", "Drama"],
    )
    window = live.availability.add(until=_timestamp(now_ms + window_seconds * 1000))
    # `from` is a reserved word of Python.
    getattr(window, "from").CopyFrom(_timestamp(now_ms))
    for entity in (film, game, live):
        entity.released_at.CopyFrom(_timestamp(now_ms))
        entity.attributes["year"] = str(year)
    return [film, game, live]


def show_launch(
    stage: Stage,
    producer: EventProducer,
    users: Sequence[str],
    year: int,
    window_seconds: int = WINDOW_SECONDS,
) -> Launch:
    """Launches three entities and streams pages of these users until each was placed.

    Raises CheckFailedError if one is not placed, or the live event is after its window.
    """
    now_ms = time.time_ns() // 1_000_000
    entities = new_entities(now_ms, year, window_seconds)
    begin = time.perf_counter()
    for entity in entities:
        change = catalog_pb2.CatalogChange(occurred_at=_timestamp(now_ms), upsert_entity=entity)
        producer.send(CATALOG, entity.entity_id, change)
    producer.flush()
    placed: list[Placed] = []
    waiting = {entity.entity_id for entity in entities}
    for found in _placements(stage, users, waiting, begin):
        placed.append(found)
        stage.console.print(
            f"  [green]✓[/] {found.kind.replace('_', ' ')} [bold]{found.title}[/] in "
            f"“{found.row_title}” of person {found.user_id}, {found.seconds:.2f} s after its launch"
        )
    pages = _after_window(stage, entities[-1], users)
    return Launch(placed=tuple(placed), pages_after_window=pages)


def _placements(
    stage: Stage, users: Sequence[str], waiting: set[str], begin: float
) -> Iterator[Placed]:
    """Each awaited entity at its first unpinned place on a page; removes it from `waiting`."""
    deadline = Deadline()
    for user_id in cycle(users):
        arrivals: dict[str, float] = {}

        def note(
            piece: homepage_pb2.StreamHomepageResponse, arrivals: dict[str, float] = arrivals
        ) -> None:
            if piece.HasField("row_completed"):
                for entity in piece.row_completed.entities:
                    arrivals[entity.entity_id] = time.perf_counter() - begin

        page = stage.page(user_id, rows=ROWS_LONG, entities=ENTITIES_LONG, on_piece=note)
        for row in page.rows:
            for entity in row.entities:
                if entity.entity_id in waiting and row.row_id not in PINNED_ROWS:
                    waiting.discard(entity.entity_id)
                    yield _placed(entity, row, user_id, arrivals[entity.entity_id])
        if not waiting:
            return
        deadline.check(f"{', '.join(sorted(waiting))} stood on no page")
        time.sleep(POLL_SECONDS)


def _placed(entity: PageEntity, row: PageRow, user_id: str, seconds: float) -> Placed:
    return Placed(
        entity_id=entity.entity_id,
        kind=entity.kind_name,
        title=entity.title,
        row_id=row.row_id,
        row_title=row.title,
        user_id=user_id,
        seconds=seconds,
    )


def _after_window(stage: Stage, live: catalog_pb2.Entity, users: Sequence[str]) -> int:
    """Waits for the end of the window; returns how many pages were checked."""
    until_ms = live.availability[0].until.ToMilliseconds()
    time.sleep(max(0.0, until_ms / 1000 - time.time()) + WINDOW_MARGIN_SECONDS)
    for user_id in users:
        page = stage.page(user_id, rows=ROWS_LONG, entities=ENTITIES_LONG)
        if page.row_of(live.entity_id) is not None:
            raise CheckFailedError(f"{live.title!r} stands on a page after its window has closed")
    stage.console.print(
        f"  [green]✓[/] its window has closed: {live.title} is on none of {len(users)} pages"
    )
    return len(users)


def _timestamp(at_ms: int) -> Timestamp:
    moment = Timestamp()
    moment.FromMilliseconds(at_ms)
    return moment
