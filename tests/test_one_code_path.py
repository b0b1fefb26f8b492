"""What training builds for a page is, byte for byte, what the server built for it.

A server serves pages of the very users whose events pour in: in order, late, twice, shuffled, with
profiles and the catalog changing meanwhile. Afterwards the prompts of all pages are built again
from the offline log, and their digests compared with those the server wrote into `PageServed`.
"""

import asyncio
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from eventlog.factories_eventlog import event_log
from factories import START_MS, event_id, movie, timestamp, upsert
from server.factories_server import House, catalog_changes, eventually
from streaming.factories_streaming import Positions, ingesting, send

from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.offline import LoggedPage, OfflineLog
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.streaming.progress import wait_until_ingested
from pagecast.trainer.pages.served import served_prompts
from pagecast.v1 import catalog_pb2, events_pb2

SEED = int(os.environ.get("PAGECAST_TEST_SEED", "1"))

USERS = [f"user-{n}" for n in range(5)]

FOLD = FoldConfig(steps_max=12, evicted_together=4)
"""Windows that are soon full, so that prompts have a summary."""

MINUTE_MS = 60_000

WAVES = 12
EVENTS_A_WAVE = 40
PAGES_A_WAVE = 6


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "state")
    house.change(*catalog_changes())
    house.train_champion()
    yield house
    house.close()


@dataclass(kw_only=True)
class Life:
    """What five people do, as their clients report it: untidily."""

    chance: random.Random
    now_ms: int = START_MS

    def wave(self) -> list[events_pb2.InteractionEvent]:
        made = [self._event() for _ in range(EVENTS_A_WAVE)]
        made += self.chance.sample(made, 5)
        self.chance.shuffle(made)
        return made

    def profile(self) -> events_pb2.ProfileChange:
        return events_pb2.ProfileChange(
            user_id=self.chance.choice(USERS),
            occurred_at=timestamp(self.now_ms),
            language=self.chance.choice(("nl", "sv")),
            maturity_limit=self.chance.choice((12, 18)),
        )

    def catalog(self) -> catalog_pb2.CatalogChange:
        """Another genre for a film: what left a window is summarised in its light. Or a premiere,
        soon or lately, or a match that is on for some time."""
        number = self.chance.randrange(20)
        genre = self.chance.choice(("Comedy", "Drama", "Noir"))
        moment_ms = self.now_ms + self.chance.randrange(-600, 300) * MINUTE_MS
        if self.chance.random() < 0.7:
            return upsert(movie(f"m{number}", genre, released_ms=moment_ms), self.now_ms)
        match = catalog_pb2.Entity(
            entity_id=f"live{number}", kind=catalog_pb2.ENTITY_KIND_LIVE_EVENT, title="Match"
        )
        window = match.availability.add(country=self.chance.choice(("", "NL", "FR")))
        getattr(window, "from").FromMilliseconds(moment_ms)
        window.until.FromMilliseconds(moment_ms + 600 * MINUTE_MS)
        return upsert(match, self.now_ms)

    def _event(self) -> events_pb2.InteractionEvent:
        chance = self.chance
        self.now_ms += chance.randrange(20) * MINUTE_MS
        late_ms = chance.choice((0, 0, 0, 20, 59, 300)) * MINUTE_MS
        at_ms = self.now_ms - late_ms
        event = events_pb2.InteractionEvent(
            event_id=event_id(at_ms, str(chance.random())),
            user_id=chance.choice(USERS),
            occurred_at=timestamp(at_ms),
            context=events_pb2.RequestContext(
                session_id=f"s{self.now_ms // (90 * MINUTE_MS)}",
                device=chance.choice(("tv", "web")),
                country="NL",
                language="nl",
                surface="home",
            ),
        )
        film = f"m{chance.randrange(60)}"
        match chance.randrange(6):
            case 0:
                event.play.entity_id, event.play.kind = film, events_pb2.PLAY_KIND_FEATURE
            case 1:
                event.stop.entity_id, event.stop.completed = film, chance.random() < 0.5
                event.stop.watched.FromSeconds(chance.randrange(5_000))
            case 2:
                event.rate.entity_id, event.rate.rating = film, chance.randrange(11) / 2
            case 3:
                event.hide.entity_id = film
            case 4:
                seen = event.impression.rows.add(row_id="top")
                seen.entity_ids.append(film)
            case _:
                event.click.entity_id = film
                event.click.placement.row_id = "top"
        return event


async def serve_while_events_pour_in(house: House, bootstrap: str) -> Positions:
    """Returns where the records end that were sent, the served pages left out."""
    life, ends = Life(chance=random.Random(SEED)), Positions()
    async with house.serve(bootstrap_servers=bootstrap) as served:
        for _ in range(WAVES):
            sent = asyncio.create_task(
                asyncio.to_thread(send, bootstrap, [*life.wave(), life.profile(), life.catalog()])
            )
            for _ in range(PAGES_A_WAVE):
                await served.page(
                    life.chance.choice([*USERS, "a stranger"]),
                    rows=2,
                    requested_at=timestamp(life.now_ms),
                    context=events_pb2.RequestContext(device="tv", country="NL"),
                )
            ends.update(await sent)
        pages = WAVES * PAGES_A_WAVE
        await eventually(
            lambda: served.metric("pagecast_pages_reported_total", outcome="sent") == pages
        )
    return ends


def prompts_again(house: House, fold: FoldConfig = FOLD) -> list[tuple[LoggedPage, Prompt]]:
    log = OfflineLog(house.paths.offline)
    return list(served_prompts(log, house.catalog, log.read_pages(), fold=fold))


async def test_the_prompt_of_training_is_the_prompt_of_the_page(
    house: House, tmp_path: Path
) -> None:
    with event_log(tmp_path) as bootstrap, ingesting(bootstrap, house.paths, fold=FOLD) as worker:
        ends = await serve_while_events_pour_in(house, bootstrap)
        group = "pagecast-ingest"
        await asyncio.to_thread(wait_until_ingested, bootstrap, group, ends, 60)
        log = OfflineLog(house.paths.offline)
        await eventually(lambda: len(log.read_pages()) == WAVES * PAGES_A_WAVE, 30)
        assert worker.error is None
    rebuilt = prompts_again(house)
    assert len(rebuilt) == WAVES * PAGES_A_WAVE
    for page, prompt in rebuilt:
        assert prompt.sha256() == page.page.prompt_sha256, f"seed {SEED}: {page.page}"
    assert any(prompt.summary.genres for _, prompt in rebuilt), "some windows were full"
    assert any(prompt.injected.new for _, prompt in rebuilt)
    assert any(prompt.injected.live for _, prompt in rebuilt)
    assert any(prompt.profile.language for _, prompt in rebuilt)
    assert len({page.page.catalog_number for page, _ in rebuilt}) > 1
    assert len({prompt.sha256() for _, prompt in rebuilt}) > len(rebuilt) // 2
    other_fold = prompts_again(house, FoldConfig(steps_max=12, evicted_together=6))
    assert any(prompt.sha256() != page.page.prompt_sha256 for page, prompt in other_fold)
