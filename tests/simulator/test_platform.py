"""The whole way: real pages over gRPC, real events over Kafka, a real ingest worker.

What members did is also what the platform's own log says, joined by the platform's own code.
"""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from eventlog.factories_eventlog import event_log, read_all
from server.factories_server import House, catalog_changes, eventually
from simulator.factories_simulator import MIDNIGHT_MS, training_data
from streaming.factories_streaming import ingesting

from pagecast.eventlog.topics import CATALOG, INTERACTIONS
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome, logged_pages
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.simulator.config import AppetiteConfig, LaunchConfig, LifeConfig, SimulatorConfig
from pagecast.simulator.errors import ClockRefused, PlatformUnavailable
from pagecast.simulator.ledger import Ledger
from pagecast.simulator.platform import LivePlatform
from pagecast.simulator.report import Report
from pagecast.simulator.run import simulate
from pagecast.simulator.run_config import RunConfig

CONFIG = RunConfig(
    members=4,
    days=2,
    seed=3,
    start_ms=MIDNIGHT_MS,
    reaction_members=1,
    simulator=SimulatorConfig(
        appetite=AppetiteConfig(nothing=1.0),
        life=LifeConfig(sessions_a_day=1.5, past_plays=4),
        launches=LaunchConfig(a_day=2),
    ),
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "state")
    house.change(*catalog_changes())
    yield house
    house.close()


def run(bootstrap: str, server: str, folder: Path) -> Report:
    platform = LivePlatform(server=server, bootstrap=bootstrap, rows=6, entities_per_row=8)
    with closing(platform):
        return simulate(training_data(), CONFIG, platform, folder)


def worth(pages: list[LoggedPageOutcome]) -> dict[str, float]:
    reward = RewardConfig()
    return {page.page_id: reward.of_page(page.entities) for page in pages}


async def test_members_live_on_a_real_platform(house: House, tmp_path: Path) -> None:
    version = house.train_champion()
    with event_log(tmp_path) as bootstrap, ingesting(bootstrap, house.paths) as worker:
        async with house.serve(bootstrap_servers=bootstrap) as served:
            address = served.target
            report = await asyncio.to_thread(run, bootstrap, address, tmp_path / "ledger")
            whole = report.tallies.whole()
            log = OfflineLog(house.paths.offline)

            def known() -> list[LoggedPageOutcome]:
                # Those of twins and of comparisons were seen by nobody.
                return [page for page in logged_pages(log) if page.entities]

            mine = [p for p in Ledger(tmp_path / "ledger").pages() if p.entities]
            await eventually(lambda: worth(known()) == pytest.approx(worth(mine)), 20)
        assert worker.error is None
    assert whole.plays > 0
    assert whole.degraded_pages == report.late_pages == 0
    assert set(report.tallies.models) == {version}
    assert sum(worth(mine).values()) == pytest.approx(whole.reward)
    assert [r.after_minutes for r in report.reactions][:2] == [5, 60]
    assert house.store.read_history(f"sim-3-{CONFIG.members - 1}") is not None
    assert report.launched == 4
    launched = {e.entity_id for e in house.catalog.snapshot().entities} - set(
        training_data().entity_ids
    )
    assert launched == {f"sim-3-{day}-{n}" for day in range(2) for n in range(2)}


async def test_a_server_that_keeps_its_own_clock_is_told_and_nothing_is_published(
    house: House, tmp_path: Path
) -> None:
    with event_log(tmp_path) as bootstrap:
        async with house.serve(bootstrap_servers=bootstrap, allow_client_clock=False) as served:
            with pytest.raises(ClockRefused, match="client's clock"):
                await asyncio.to_thread(run, bootstrap, served.target, tmp_path / "ledger")
        assert read_all(bootstrap, INTERACTIONS, 0) == read_all(bootstrap, CATALOG, 0) == []


def test_a_server_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pagecast.simulator.platform.PAUSE_SECONDS", 0.0)
    with event_log(tmp_path) as bootstrap:
        platform = LivePlatform(server="127.0.0.1:1", bootstrap=bootstrap)
        with closing(platform), pytest.raises(PlatformUnavailable, match=r"127\.0\.0\.1:1"):
            platform.knows("u")
