"""A house whose pages were served, seen and acted upon: everything through the offline log."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from factories import START_MS, event_id, timestamp
from trainer.factories_trainer import SMALL, read_catalog, replayed, write_state

from pagecast.featurestore.history.fold import apply_token, begin
from pagecast.featurestore.history.history import History, Profile
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.featurestore.pages.logged_pages import EntityOutcome
from pagecast.featurestore.prompt.prompt import RequestHalf, build_prompt
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset, build_dataset
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.pages.logged import Reading, read_shown
from pagecast.trainer.pages.shown import Shown
from pagecast.v1 import catalog_pb2, events_pb2, rules_pb2

TOPIC = "log"
MINUTE_MS = 60_000

SEEN = EntityOutcome(
    entity_id="e",
    row_id="r",
    row_position=0,
    entity_position=0,
    seen=True,
    clicked=False,
    trailer_played=False,
    played=False,
    watched_ms=0,
    completed=False,
    rating=None,
    listed=False,
    hidden=False,
    purchased=False,
    abandoned=True,
)
"""An entity that was seen, and of which nothing came."""

Rows = Mapping[str, Sequence[str]]
"""A page: entities by row."""


class PagesWorld:
    """Events and pages as they happen; `write` puts them into the offline log."""

    def __init__(
        self, root: Path, changes: Sequence[catalog_pb2.CatalogChange] | None = None
    ) -> None:
        self.paths = write_state(root, [], changes)
        self.catalog = read_catalog(self.paths)
        self.events: list[LoggedEvent] = []
        self.pages: list[LoggedPage] = []
        self.now_ms = START_MS
        self._histories: dict[str, History] = {}

    def wait(self, minutes: float) -> None:
        self.now_ms += round(minutes * MINUTE_MS)

    def happen(self, event: events_pb2.InteractionEvent) -> None:
        offset = len(self.events)
        row = LoggedEvent(TOPIC, 0, offset, token_of(event), event.SerializeToString())
        self.events.append(row)
        history = self._histories.setdefault(event.user_id, History(event.user_id))
        begin(history, TOPIC, 0)
        apply_token(history, row.token, offset)

    def act(self, user: str, page_id: str = "", **action: object) -> None:
        """An event of now: `act("ada", "p1", click=events_pb2.Click(entity_id="e1"))`."""
        self.now_ms += 1000
        self.happen(
            events_pb2.InteractionEvent(
                event_id=event_id(self.now_ms, f"{user}/{sorted(action.items(), key=str)}"),
                user_id=user,
                occurred_at=timestamp(self.now_ms),
                context=events_pb2.RequestContext(page_id=page_id, device="tv", surface="home"),
                **action,
            )
        )

    def serve(self, user: str, rows: Rows, asked: rules_pb2.RequestRules | None = None) -> str:
        """Serves a page now, with the prompt a server would have built; returns its id."""
        self.now_ms += 1000
        history = self._histories.get(user)
        half = RequestHalf(at_ms=self.now_ms, device="tv", surface="home")
        prompt = build_prompt(history, Profile(), half, catalog=self.catalog)
        page = events_pb2.PageServed(
            page_id=f"page-{len(self.pages)}",
            user_id=user,
            requested_at=timestamp(self.now_ms),
            context=events_pb2.RequestContext(device="tv", surface="home"),
            catalog_number=self.catalog.number,
            prompt_sha256=prompt.sha256(),
            steps_max=512,
            rules_input=rules_pb2.RulesInput(asked=asked),
            rows=[
                events_pb2.ServedRow(row_id=name, entity_ids=entities)
                for name, entities in rows.items()
            ],
        )
        if history is not None:
            version = events_pb2.HistoryVersion(topic_id=TOPIC, next_offset=history.next_offset)
            page.history_version.CopyFrom(version)
        self.pages.append(LoggedPage("pages", 0, len(self.pages), page, page.SerializeToString()))
        return page.page_id

    def see(self, user: str, page_id: str, *entities: str) -> None:
        seen = events_pb2.SeenRow(row_id="top", entity_ids=entities)
        self.act(user, page_id, impression=events_pb2.Impression(rows=[seen]))

    def click(self, user: str, page_id: str, entity: str) -> None:
        self.act(user, page_id, click=events_pb2.Click(entity_id=entity))

    def play(self, user: str, page_id: str, entity: str, minutes: float = 0.0) -> None:
        kind = events_pb2.PLAY_KIND_FEATURE
        self.act(user, page_id, play=events_pb2.Play(entity_id=entity, kind=kind))
        if minutes:
            ended = events_pb2.Stop(entity_id=entity)
            ended.watched.FromMilliseconds(round(minutes * MINUTE_MS))
            self.act(user, page_id, stop=ended)

    def write(self) -> "PagesWorld":
        log = OfflineLog(self.paths.offline)
        log.append(self.events)
        log.append_pages(self.pages)
        return self

    def shown(
        self, config: TrainConfig = SMALL, until: Mapping[tuple[str, int], int] | None = None
    ) -> Shown:
        reading = Reading(until=until, newest_ms=self.now_ms, config=config.logged)
        return read_shown(Source(paths=self.paths), reading)

    def dataset(self, config: TrainConfig = SMALL) -> Dataset:
        """What a training on all of it is given."""
        users = replayed(self.events)
        return build_dataset(self.catalog, users, config.engagement, shown=self.shown(config))
