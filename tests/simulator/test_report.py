"""What sessions came to, by member and by day."""

from pathlib import Path

from simulator.factories_simulator import MIDNIGHT_MS, FixedPlatform, world

from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.simulator.chance import Chance
from pagecast.simulator.config import AppetiteConfig, IntentConfig, SimulatorConfig, WatchingConfig
from pagecast.simulator.ledger import Ledger
from pagecast.simulator.member import new_member
from pagecast.simulator.report import Tallies
from pagecast.simulator.session import play_session
from pagecast.simulator.world import DAY_MS

HUNGRY = world(
    SimulatorConfig(
        intent=IntentConfig(minutes={"tv": 1e4, "mobile": 1e4, "web": 1e4}),
        appetite=AppetiteConfig(nothing=-50.0),
        watching=WatchingConfig(play=1.0, stop_after=0.0, stop_after_resumed=0.0),
    )
)


def test_a_session_that_runs_into_the_next_day_counts_for_its_first_one(tmp_path: Path) -> None:
    member, platform = new_member(HUNGRY, Chance(1), 0, "u"), FixedPlatform()
    began_ms = MIDNIGHT_MS + DAY_MS - 1_000
    record = play_session(
        HUNGRY, member, "s", began_ms, Chance(3), platform.page, lambda events: None
    )
    assert len(record.pages) > 1
    assert record.pages[-1].requested_at_ms > MIDNIGHT_MS + DAY_MS
    ledger, tallies = Ledger(tmp_path), Tallies(start_ms=MIDNIGHT_MS, known=HUNGRY.by_id)
    ledger.add(record)
    tallies.add(record)
    tallies.add_rewards(ledger, RewardConfig())
    assert tallies.of_day == {0: tallies.whole()}
    assert tallies.whole().reward > 0
