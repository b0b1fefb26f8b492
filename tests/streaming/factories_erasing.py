"""Real stores with users in them, to be erased."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from factories import START_MS, event_id, forget, play, timestamp
from factories_databases import migrated

from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.history.fold import apply_token, begin
from pagecast.featurestore.history.history import History, HistoryVersion, Profile
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.erasing import Eraser, Order
from pagecast.v1 import events_pb2

TOPIC_ID = "interactions-1"
COMPLETED_MS = START_MS + 5_000
ORDER_OFFSET = 100
"""Where Ada's order is in the log; her events are before it."""


def logged(
    event: events_pb2.InteractionEvent, offset: int, topic_id: str = TOPIC_ID
) -> LoggedEvent:
    return LoggedEvent(topic_id, 0, offset, token_of(event), event.SerializeToString())


def plays(user_id: str, *offsets: int) -> list[LoggedEvent]:
    return [
        logged(play(user_id, f"film-{offset}", START_MS + offset * 60_000), offset)
        for offset in offsets
    ]


def page(user_id: str, offset: int, *, at_ms: int = START_MS, next_offset: int = 0) -> LoggedPage:
    """A page that was served, built on a history up to `next_offset` if there is one."""
    served = events_pb2.PageServed(
        page_id=event_id(at_ms, user_id), user_id=user_id, requested_at=timestamp(at_ms)
    )
    if next_offset:
        served.history_version.topic_id = TOPIC_ID
        served.history_version.next_offset = next_offset
    return LoggedPage("pages-1", 0, offset, served, served.SerializeToString())


def order(user_id: str = "ada", offset: int = ORDER_OFFSET) -> Order:
    return Order.of(logged(forget(user_id), offset))


def history(rows: Sequence[LoggedEvent]) -> History:
    folded = History(rows[0].token.user_id)
    begin(folded, rows[0].topic_id, rows[0].partition)
    for row in rows:
        assert apply_token(folded, row.token, row.offset) is not None
    return folded


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What an eraser erases from."""

    online: OnlineFeatures
    offline: OfflineLog
    erasures: Erasures
    engine: sa.Engine

    @property
    def eraser(self) -> Eraser:
        return Eraser(self.online, self.offline, self.erasures, clock_ms=lambda: COMPLETED_MS)

    def write(self, rows: Sequence[LoggedEvent]) -> list[str]:
        """Writes a user's history and events as ingest does; returns whose history was refused."""
        refused = self.online.write_histories([history(rows)])
        self.offline.append(rows)
        return refused

    def fill(self) -> None:
        """Ada's and Bob's events, pages and profiles."""
        for user_id, offsets in (("ada", (1, 3, 5)), ("bob", (2, 4))):
            self.write(plays(user_id, *offsets))
            self.offline.append_pages([page(user_id, offsets[0])])
            version = HistoryVersion(topic_id="profiles-1", partition=0, next_offset=offsets[0])
            self.online.write_profiles({user_id: (Profile(language="sv"), version)})

    def users_online(self) -> set[str]:
        return set(self.online.read_histories(["ada", "bob"]))

    def users_offline(self) -> set[str]:
        events = {row.token.user_id for row in self.offline.read()}
        return events | {row.page.user_id for row in self.offline.read_pages()}


@contextmanager
def stores_of(paths: StatePaths) -> Iterator[Stores]:
    engine = migrated(paths.database_url)
    online = OnlineFeatures.open(paths)
    try:
        yield Stores(
            online=online,
            offline=OfflineLog(paths.offline),
            erasures=Erasures(engine),
            engine=engine,
        )
    finally:
        online.close()
        engine.dispose()
