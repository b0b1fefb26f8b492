"""The demo's simulated act: what it shows while members come."""

from pathlib import Path

from simulator.factories_simulator import MIDNIGHT_MS, FixedPlatform, page_of, training_data

from pagecast.cli.demo.arms_watched import WatchedPlatform
from pagecast.cli.demo.simulated import PATH_MAX, LiftPath
from pagecast.simulator.config import AppetiteConfig, SimulatorConfig
from pagecast.simulator.events import Visit
from pagecast.simulator.page import ShownPage
from pagecast.simulator.run import simulate
from pagecast.simulator.run_config import RunConfig

SHORT, LONG = "one/champion", "one/multi-stage"


class TwoArms(FixedPlatform):
    """Every second member sees a single film."""

    def page(self, visit: Visit, at_ms: int, seed: int) -> ShownPage:
        long = int(visit.user_id.rpartition("-")[2]) % 2
        rows = self.rows if long else [["m0"]]
        page = page_of(rows, user_id=visit.user_id, page_id=f"{visit.user_id}/{at_ms}", at_ms=at_ms)
        return ShownPage(**{**vars(page), "arm": LONG if long else SHORT})


def test_arms_are_counted_and_compared_while_members_come(tmp_path: Path) -> None:
    watched = WatchedPlatform(TwoArms())
    eager = SimulatorConfig(appetite=AppetiteConfig(nothing=1.0))
    config = RunConfig(
        members=60, days=2, start_ms=MIDNIGHT_MS, reaction_members=0, simulator=eager
    )
    report = simulate(training_data(), config, watched, tmp_path)
    arms = {arm.arm: arm for arm in watched.arms()}
    whole = report.tallies.whole()
    assert set(arms) == {SHORT, LONG}
    assert sum(arm.pages for arm in arms.values()) == whole.pages
    assert sum(arm.clicks for arm in arms.values()) == whole.clicks
    assert sum(arm.completed for arm in arms.values()) == whole.completed
    found = watched.clicks_compared(LONG)
    assert found is not None
    assert found.treated_mean > found.control_mean
    assert found.difference.interval is None, "thirty members of an arm are too few"


def test_nothing_is_compared_before_both_arms_have_members() -> None:
    watched = WatchedPlatform(TwoArms())
    assert watched.clicks_compared(LONG) is None
    watched.page(Visit(user_id="u-1", session_id="s", device="tv"), MIDNIGHT_MS, 0)
    assert watched.clicks_compared(LONG) is None


def test_the_way_of_a_lift_stays_short_and_is_drawn_from_least_to_most() -> None:
    path = LiftPath()
    for sessions in range(10 * PATH_MAX):
        path.add(sessions, float(sessions))
    assert len(path.points) <= PATH_MAX
    assert (path.drawn()[0], path.drawn()[-1]) == ("▁", "█")
    assert LiftPath().drawn() == ""
