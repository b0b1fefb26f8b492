"""A page that was served is decoded again from its record, whatever has changed since."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine.factories_engine import TinyModel
from eventlog.factories_eventlog import event_log, read_all
from factories import START_MS, genre_row, movie, play, rate, timestamp, upsert
from server.factories_server import TOPIC_ID, House, eventually

from pagecast.eventlog.topics import PAGES
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.server.experiments.recorded_page import NotReplayable
from pagecast.server.experiments.replay import Replays
from pagecast.v1 import catalog_pb2, events_pb2, rules_pb2

CONTEXT = events_pb2.RequestContext(device="tv", country="DE", language="de", surface="home")
SAMPLED = events_pb2.Sampling(temperature=1.5, top_p=0.9)
NARROWED = rules_pb2.RequestRules(
    kind_caps=[rules_pb2.KindCap(kind=catalog_pb2.ENTITY_KIND_MOVIE, row_max=4)],
    watched=rules_pb2.WATCHED_POLICY_ALLOW,
)
PAGE = {"rows": 4, "entities_per_row": 6, "context": CONTEXT, "seed": 7}


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    with event_log(tmp_path) as servers:
        yield servers


class Ingest:
    """Folds events into a history and logs them, as ingest does; logs pages that were served."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._offset = 0
        self.log = OfflineLog(house.paths.offline)

    def events(self, *events: events_pb2.InteractionEvent) -> None:
        self._house.remember("ada", *events)
        rows = []
        for event in events:
            value = event.SerializeToString()
            rows.append(LoggedEvent(TOPIC_ID, 0, self._offset, token_of(event), value))
            self._offset += 1
        self.log.append(rows)

    async def pages(self, bootstrap: str, count: int) -> list[events_pb2.PageServed]:
        records = await asyncio.to_thread(read_all, bootstrap, PAGES, count)
        pages = [events_pb2.PageServed.FromString(record.value) for record in records]
        self.log.append_pages(
            [
                LoggedPage("pages", 0, offset, page, page.SerializeToString())
                for offset, page in enumerate(pages)
            ]
        )
        return pages

    def replays(self) -> Replays:
        house = self._house
        return Replays(log=self.log, catalog=house.catalog, bundles=house.paths.bundles)


def everything_moves_on(house: House, ingest: Ingest) -> None:
    """History, catalog, popularity and champion are others afterwards."""
    ingest.events(play("ada", "m20", START_MS + 1000), rate("ada", "m3", 1.0, START_MS + 2000))
    retired = catalog_pb2.CatalogChange(occurred_at=timestamp(START_MS), retire_entity_id="m5")
    house.change(retired, upsert(movie("m6", "Western")), upsert(genre_row("Opera")))
    house.change(*(upsert(movie(f"o{i}", "Opera")) for i in range(9)))
    house.count(m40=50, m41=40, m42=30, m43=20)
    house.train_champion(TinyModel(seed=9))


async def test_pages_come_out_again_after_everything_has_moved_on(
    house: House, bootstrap: str
) -> None:
    house.count(m30=9, m31=8, m32=7, m33=6, m34=5)
    version = house.train_champion()
    ingest = Ingest(house)
    ingest.events(play("ada", "m3", START_MS - 60_000), rate("ada", "m7", 5.0, START_MS - 50_000))
    async with house.serve(bootstrap_servers=bootstrap) as served:
        greedy = await served.page("ada", **PAGE)
        drawn = await served.page("ada", sampling=SAMPLED, **PAGE)
        stranger = await served.page("nobody", **PAGE)
        narrowed = await served.page("ada", rules=NARROWED, **PAGE)
        graded = await served.page("ada", exact_entities_by_row=[6, 1, 4], **PAGE)
        more = await served.page("ada", continuation=greedy.rows[1].continuation)
        sent = {"outcome": "sent"}
        await eventually(lambda: served.metric("pagecast_pages_reported_total", **sent) == 6)
    await ingest.pages(bootstrap, 6)
    everything_moves_on(house, ingest)
    assert greedy.shape not in (drawn.shape, graded.shape)
    pages = {page.started.page_id: page for page in (greedy, drawn, stranger, narrowed, graded)}
    for page_id, page in pages.items():
        replays = ingest.replays().replay(page_id)
        replay = replays[0]
        assert replay.page.model_version == version
        assert {r.row_id: list(r.entity_ids) for r in replay.page.rows} == page.shape
        assert len(replay.tokens) == sum(1 + len(row) for row in page.shape.values())
        assert replay.differing == ()
        # Batches and chunks differ in the last bits, choices do not.
        assert replay.log_probability_difference_max < 1e-4
    carried = ingest.replays().replay(greedy.started.page_id)[1]
    assert {r.row_id: list(r.entity_ids) for r in carried.page.rows} == more.shape
    assert (len(carried.page.rows_before), carried.differing) == (2, ())


async def test_pages_of_shortlists_come_out_again_on_a_server_without(
    house: House, bootstrap: str
) -> None:
    house.train_champion()
    ingest = Ingest(house)
    async with house.serve(bootstrap_servers=bootstrap, shortlist=7) as served:
        page = await served.page("nobody", **PAGE)
        drawn = await served.page("nobody", sampling=SAMPLED, **PAGE)
    assert [page.shortlist for page in await ingest.pages(bootstrap, 2)] == [7, 7]
    for page_id in (page.started.page_id, drawn.started.page_id):
        (replay,) = ingest.replays().replay(page_id)
        assert replay.differing == ()
        assert replay.log_probability_difference_max < 1e-4


async def test_what_cannot_be_replayed_says_why(house: House, bootstrap: str) -> None:
    ingest = Ingest(house)
    ingest.events(play("ada", "m3", START_MS - 60_000))
    async with house.serve(bootstrap_servers=bootstrap) as served:
        await served.page("ada", **PAGE)
        version = house.train_champion()
        await eventually(lambda: served.metric("pagecast_model_info", version=version) == 1)
        await served.page("ada", **PAGE)
        sent = {"outcome": "sent"}
        await eventually(lambda: served.metric("pagecast_pages_reported_total", **sent) == 2)
    popular, decoded = await ingest.pages(bootstrap, 2)
    replays = ingest.replays()
    with pytest.raises(NotReplayable, match="made by popularity"):
        replays.replay(popular.page_id)
    with pytest.raises(NotReplayable, match="no page elsewhere is in the offline log"):
        replays.replay("elsewhere")
    assert replays.replay(decoded.page_id)[0].differing == ()

    older = events_pb2.PageServed.FromString(decoded.SerializeToString())
    older.page_id = "older"
    older.ClearField("rules_input")
    unlike = events_pb2.PageServed.FromString(decoded.SerializeToString())
    unlike.page_id, unlike.rules_sha256 = "unlike", "0" * 64
    ahead = events_pb2.PageServed.FromString(decoded.SerializeToString())
    ahead.page_id, ahead.catalog_number = "ahead", 10**6
    made_up = [
        LoggedPage("pages", 0, 2 + n, page, page.SerializeToString())
        for n, page in enumerate((older, unlike, ahead))
    ]
    ingest.log.append_pages(made_up)
    for page_id, why in (
        ("older", "recorded too little"),
        ("unlike", "rules come out otherwise"),
        ("ahead", "another catalog database"),
    ):
        with pytest.raises(NotReplayable, match=why):
            replays.replay(page_id)

    shutil.rmtree(house.paths.bundles / version)
    with pytest.raises(NotReplayable, match=f"bundle of model {version} is gone"):
        replays.replay(decoded.page_id)
    ingest.log.erase("ada", TOPIC_ID, 0, 99, decoded.requested_at.ToMilliseconds())
    with pytest.raises(NotReplayable, match="its user was erased"):
        replays.replay(decoded.page_id)


async def test_a_choice_that_would_be_another_is_named(house: House, bootstrap: str) -> None:
    house.train_champion()
    ingest = Ingest(house)
    async with house.serve(bootstrap_servers=bootstrap) as served:
        await served.page("ada", rows=1, entities_per_row=5)
    [page] = await ingest.pages(bootstrap, 1)
    page.page_id = "altered"
    first, second, *_ = page.rows[0].entity_ids
    page.rows[0].entity_ids[:2] = [second, first]
    ingest.log.append_pages([LoggedPage("pages", 0, 1, page, page.SerializeToString())])
    [replay] = ingest.replays().replay("altered")
    assert [tuple(token.place) for token in replay.differing][:1] == [(0, 1, 0)]
    entities = replay.snapshot.entities
    assert entities[replay.differing[0].recorded].entity_id == second
    picked = replay.differing[0].picked
    assert picked is not None
    assert entities[picked].entity_id == first
