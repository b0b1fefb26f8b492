"""A simulation, day by day, against a platform that answers at once."""

import dataclasses
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from simulator.factories_simulator import MIDNIGHT_MS, FixedPlatform, training_data

from pagecast.featurestore.pages.reward import Outcome, RewardConfig
from pagecast.simulator.config import (
    AppetiteConfig,
    LaunchConfig,
    LifeConfig,
    SimulatorConfig,
)
from pagecast.simulator.errors import ClockRefused, MembersKnown, PlatformUnavailable
from pagecast.simulator.events import Visit
from pagecast.simulator.page import ShownPage
from pagecast.simulator.progress import COMPARING, DAYS, FORGETTING, PASTS, Progress
from pagecast.simulator.report import ALL_LEFT, DAYS_OVER, Report
from pagecast.simulator.run import simulate
from pagecast.simulator.run_config import RunConfig
from pagecast.simulator.world import DAY_MS
from pagecast.v1 import events_pb2

EAGER = SimulatorConfig(appetite=AppetiteConfig(nothing=1.0), life=LifeConfig(sessions_a_day=1.5))

SMALL = RunConfig(
    members=6, days=3, seed=1, start_ms=MIDNIGHT_MS, reaction_members=2, simulator=EAGER
)
DATA = training_data()

APART = dataclasses.replace(SMALL, members=2, days=1, seed=495, speed=1000.0, reaction_members=0)
"""The first session is due at once, the second a minute later."""


def simulated(
    folder: Path, config: RunConfig = SMALL, platform: FixedPlatform | None = None
) -> tuple[FixedPlatform, Report]:
    platform = platform or FixedPlatform()
    return platform, simulate(DATA, config, platform, folder)


def test_the_same_seed_is_the_same_traffic_however_many_read_at_once(tmp_path: Path) -> None:
    one, first = simulated(tmp_path / "one", dataclasses.replace(SMALL, readers=1))
    many, second = simulated(tmp_path / "many", dataclasses.replace(SMALL, readers=5))
    assert one.traffic() == many.traffic()
    assert one.launched == many.launched
    not_of_traffic = {"seconds", "sessions_per_minute", "run"}
    told, again = first.to_dict(), second.to_dict()
    assert {k: v for k, v in told.items() if k not in not_of_traffic} == {
        k: v for k, v in again.items() if k not in not_of_traffic
    }
    other, _ = simulated(tmp_path / "other", dataclasses.replace(SMALL, seed=2))
    assert other.traffic() != one.traffic()


def test_a_report_counts_what_was_published(tmp_path: Path) -> None:
    told: list[Progress] = []
    platform = FixedPlatform()
    report = simulate(DATA, SMALL, platform, tmp_path, told.append)
    events = [
        event
        for user, of in platform.published.items()
        if not user.endswith("-twin")
        for event in of
        if event.context.page_id
    ]
    whole = report.tallies.whole()
    assert whole.plays == sum(event.HasField("play") for event in events) > 0
    assert 0 <= whole.abandoned < whole.sessions
    assert whole.impressions == sum(
        len(row.entity_ids) for event in events for row in event.impression.rows
    )
    assert report.ended == DAYS_OVER
    assert report.launched == len(platform.launched) == 3 * SMALL.simulator.launches.a_day
    assert sum(tally.sessions for tally in report.tallies.of_day.values()) == whole.sessions
    reward = report.tallies.per_session("reward")
    assert reward.mean == pytest.approx(whole.reward / whole.sessions)
    assert reward.low is not None and reward.low < reward.mean
    assert list(dict.fromkeys(now.stage for now in told)) == [PASTS, DAYS, COMPARING, FORGETTING]
    for stage in (PASTS, DAYS, FORGETTING):
        assert max(now.share for now in told if now.stage == stage) == 1.0
    assert told[-1].sessions == whole.sessions


def test_a_report_says_what_it_was_asked_for_and_how_it_counts(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, prefix="other", days=1, reaction_members=0)
    _, report = simulated(tmp_path, config)
    document = json.loads(json.dumps(report.to_dict()))
    assert document["run"] == {
        "days": 1,
        "speed": 0.0,
        "prefix": "other",
        "readers": 2,
        "reaction_members": 0,
    }
    assert document["reward"]["table"] == RewardConfig().table
    assert (document["seed"], document["members"], document["start_ms"]) == (1, 6, MIDNIGHT_MS)


def test_what_is_shown_of_another_catalog_is_counted(tmp_path: Path) -> None:
    _, own = simulated(tmp_path / "own")
    assert own.unknown_share == 0.0
    rows = [["m0", "x0", "m1", "x1"], ["x2", "x3", "x4", "x5"]]
    _, other = simulated(tmp_path / "other", platform=FixedPlatform(rows))
    assert other.unknown_share == other.to_dict()["unknown_share"] > 0.5
    assert 0 < other.tallies.whole().unknown < other.tallies.whole().impressions


def test_time_goes_no_faster_than_it_is_to(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, days=1, reaction_members=0, speed=4 * DAY_MS / 1000)
    platform, report = simulated(tmp_path, config)
    began_ms = max(
        event.occurred_at.ToMilliseconds()
        for events in platform.published.values()
        for event in events
        if event.context.session_id.endswith(("-0-0", "-0-1")) and event.HasField("impression")
    )
    assert report.tallies.whole().sessions > 0
    assert report.seconds > (began_ms - MIDNIGHT_MS) / DAY_MS / 4 / 2


def test_time_begins_when_members_pasts_are_published(tmp_path: Path) -> None:
    class Slow(FixedPlatform):
        past_s = page_s = due_s = 0.0

        def publish(self, user_id: str, events: Sequence[events_pb2.InteractionEvent]) -> None:
            super().publish(user_id, events)
            if events[0].context.session_id.endswith("-past"):
                time.sleep(0.15)
                self.past_s = max(self.past_s, time.monotonic())

        def page(self, visit: Visit, at_ms: int, seed: int) -> ShownPage:
            if not self.page_s:
                self.page_s = time.monotonic()
                self.due_s = (at_ms - MIDNIGHT_MS) / 1000 / config.speed
            return super().page(visit, at_ms, seed)

    # The first session is due after a quarter of a second, and the pasts take longer.
    config = dataclasses.replace(SMALL, days=1, seed=7, reaction_members=0, speed=DAY_MS / 1000)
    platform = Slow()
    simulated(tmp_path, config, platform)
    assert platform.page_s - platform.past_s >= platform.due_s > 0.0


def test_members_have_been_there_before_the_first_day(tmp_path: Path) -> None:
    platform, _ = simulated(tmp_path)
    past = [e for e in platform.published["sim-1-0"] if e.context.session_id.endswith("-past")]
    assert len(past) > SMALL.simulator.life.past_plays
    assert all(event.occurred_at.ToMilliseconds() < MIDNIGHT_MS for event in past)


def test_a_simulation_whose_members_all_leave_ends_and_says_so(tmp_path: Path) -> None:
    life = LifeConfig(sessions_a_day=3.0, leave=1.0, leave_content=0.0)
    config = dataclasses.replace(SMALL, days=200, simulator=SimulatorConfig(life=life))
    _, report = simulated(tmp_path, config)
    assert report.ended == ALL_LEFT
    assert report.members_left == report.config.members == 6
    assert report.days < 200


def test_a_simulation_without_a_session_has_no_figures(tmp_path: Path) -> None:
    quiet = SimulatorConfig(
        life=LifeConfig(sessions_a_day=0.0, past_plays=0), launches=LaunchConfig(a_day=0)
    )
    _, report = simulated(tmp_path, dataclasses.replace(SMALL, simulator=quiet))
    document = report.to_dict()
    assert document["sessions"] == document["launched"] == 0
    assert document["per_session"]["reward"] == {"mean": None, "low": None, "high": None}
    assert document["reactions"] == []


def test_the_reward_is_that_of_the_table(tmp_path: Path) -> None:
    harsh = {**RewardConfig().table, Outcome.IMPRESSION: -0.1}
    _, mild = simulated(tmp_path / "mild")
    config = dataclasses.replace(SMALL, reward=RewardConfig(table=harsh))
    _, hard = simulated(tmp_path / "hard", config)
    assert hard.tallies.whole().reward < mild.tallies.whole().reward
    assert hard.tallies.whole().plays == mild.tallies.whole().plays


def test_twins_are_without_the_last_session_and_forgotten_in_the_end(tmp_path: Path) -> None:
    platform, report = simulated(tmp_path)
    twins = [user for user in platform.published if user.endswith("-twin")]
    assert sorted(platform.forgotten) == sorted(twins)
    assert 1 <= len(twins) <= SMALL.reaction_members
    for twin in twins:
        original, copied = platform.published[twin.removesuffix("-twin")], platform.published[twin]
        assert [e.occurred_at for e in copied] == [e.occurred_at for e in original][: len(copied)]
        assert len(copied) < len(original)
        assert not {e.event_id for e in copied} & {e.event_id for e in original}
    # Everybody is shown the same pages here: there is nothing to react.
    assert all(reaction.changed.mean == 0.0 for reaction in report.reactions)


def test_members_whom_the_platform_knows_are_refused(tmp_path: Path) -> None:
    platform, _ = simulated(tmp_path / "first")
    with pytest.raises(MembersKnown, match="knows sim-1-0 already: give another seed or prefix"):
        simulated(tmp_path / "second", platform=platform)


def test_a_clock_that_is_refused_is_told_before_anything_is_published(tmp_path: Path) -> None:
    class OwnClock(FixedPlatform):
        def try_page(self, user_id: str, at_ms: int) -> None:
            assert (user_id, at_ms) == ("sim-1-0", MIDNIGHT_MS)
            raise ClockRefused("the server keeps its own clock")

    platform = OwnClock()
    with pytest.raises(ClockRefused):
        simulated(tmp_path, platform=platform)
    assert platform.published == {}
    assert platform.launched == []


def test_a_platform_that_does_not_answer_ends_it(tmp_path: Path) -> None:
    class Down(FixedPlatform):
        def page(self, *of: object) -> ShownPage:
            raise PlatformUnavailable("the server does not answer")

    with pytest.raises(PlatformUnavailable):
        simulated(tmp_path, platform=Down())
    begin_s = time.monotonic()
    with pytest.raises(PlatformUnavailable):
        simulated(tmp_path, APART, platform=Down())
    assert time.monotonic() - begin_s < 30, "it waited for the second session"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("members", 0),
        ("days", 0),
        ("speed", -1.0),
        ("speed", math.nan),
        ("start_ms", 5),
        ("readers", 1_000),
    ],
)
def test_a_run_that_cannot_be_is_refused_by_field(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(SMALL, **{field: value})


def test_a_day_is_over_once_when_nobody_visits_any_more(tmp_path: Path) -> None:
    platform, days = FixedPlatform(), list[tuple[int, int, int]]()

    def over(day: int, members: int) -> None:
        days.append((day, members, sum(map(len, platform.published.values()))))

    report = simulate(
        DATA, dataclasses.replace(SMALL, reaction_members=0), platform, tmp_path, over=over
    )
    assert [day for day, *_ in days] == list(range(report.days))
    assert days[-1][1] == report.config.members - report.members_left
    assert [published for *_, published in days] == sorted(published for *_, published in days)
    assert days[-1][2] == sum(map(len, platform.published.values()))
