"""Reports: from logged pages to lifts with intervals, guardrails and warnings."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from factories import START_MS
from featurestore.experiments.factories_experiments import (
    DAY_MS,
    HOUR_MS,
    Log,
    clicking,
    registered,
)

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.experiments.assignment import Experiment
from pagecast.featurestore.experiments.metrics import CLICKS_OF_DAY_MAX, METRICS, PAGES_OF_DAY_MAX
from pagecast.featurestore.experiments.page_quality import PageQuality
from pagecast.featurestore.experiments.report import Compared, ExperimentReport
from pagecast.featurestore.experiments.reporting import report_experiment
from pagecast.featurestore.experiments.sequence import SequenceConfig
from pagecast.featurestore.experiments.store import Experiments, ExperimentUnknown
from pagecast.featurestore.experiments.users import experiment_users
from pagecast.featurestore.pages.logged_pages import WINDOW_MS, logged_pages
from pagecast.featurestore.pages.reward import RewardConfig

LOST = "ARM_MODEL_NOT_LOADED"
SOON = SequenceConfig(users_min=30, narrow_at=300)


@pytest.fixture
def experiment(sqlite_engine: sa.Engine) -> Experiment:
    return registered(sqlite_engine)


def report(
    engine: sa.Engine, log: Log, folder: Path, config: SequenceConfig = SOON
) -> ExperimentReport:
    return report_experiment(engine, log.write(folder), "one", config=config)


def the(found: tuple[Compared, ...], metric: str, segment: str = "") -> Compared:
    (one,) = (each for each in found if (each.metric, each.segment) == (metric, segment))
    return one


def test_a_real_lift_is_found_and_told(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    found = report(sqlite_engine, clicking(400, experiment, 0.3), tmp_path)
    clicks = the(found.metrics, "clicks").figures
    assert clicks.difference.decided
    assert clicks.difference.interval is not None
    # Three entities, each 0.3 more likely, but nothing more than surely: 0.825 clicks.
    assert 0.825 in clicks.difference.interval
    assert clicks.lift is not None
    assert clicks.lift.value == pytest.approx(0.6, abs=0.3)
    assert clicks.variance_kept < 0.95
    reward = the(found.metrics, "page_reward").figures
    assert reward.difference.decided
    assert found.sample_ratio is not None
    assert not found.sample_ratio.alarm
    assert found.warnings == ()
    assert {(arm.alias, arm.users, arm.pending) for arm in found.arms} == {
        (arm, sum(experiment.draw(f"user-{n}") == arm for n in range(400)), 0)
        for arm in ("champion", "rival")
    }


def test_segments_are_of_the_first_page_and_make_up_the_whole(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    found = report(sqlite_engine, clicking(120, experiment, 0.1), tmp_path)
    users = {
        one.segment: one.figures.control_users + one.figures.treated_users
        for one in found.segments
        if one.metric == "clicks"
    }
    assert users == {
        "device=tv": 80,
        "device=web": 40,
        "country=NO": 120,
        "known_before=yes": 120,
    }
    assert [step.users for step in found.path][-1] == 120
    assert found.path[-1].difference == the(found.metrics, "page_reward").figures.difference
    assert found.path[0].difference.interval is None


def test_a_page_whose_window_reaches_into_the_experiment_is_not_of_before(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    for number, before_ms in enumerate((WINDOW_MS, WINDOW_MS, WINDOW_MS + 1, WINDOW_MS + 1)):
        log.page(f"user-{number}", START_MS - before_ms, "champion", clicked=["e0"])
        log.page(f"user-{number}", START_MS, f"one/{('champion', 'rival')[number % 2]}")
    log.page("nobody", START_MS + 2 * DAY_MS, "champion")
    found = report(sqlite_engine, log, tmp_path)
    known, unknown = (
        the(found.segments, "clicks", f"known_before={known}").figures for known in ("yes", "no")
    )
    assert (known.control_users, known.treated_users) == (1, 1)
    assert (unknown.control_users, unknown.treated_users) == (1, 1)


def test_users_count_once_their_time_is_over_and_only_for_it(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    for user_id, arm in (("ada", "champion"), ("bob", "rival"), ("cleo", "rival")):
        begins_ms = START_MS + (DAY_MS if user_id == "cleo" else 0)
        log.page(user_id, begins_ms, f"one/{arm}", clicked=["e0"])
        log.page(user_id, begins_ms + HOUR_MS, f"one/{arm}", clicked=["e0", "e1"], completed=["e0"])
        log.page(user_id, begins_ms + DAY_MS + 1, f"one/{arm}", clicked=["e2"])
    found = report(sqlite_engine, log, tmp_path)
    clicks = the(found.metrics, "clicks").figures
    assert (clicks.control_users, clicks.treated_users) == (1, 1)
    assert (clicks.control_mean, clicks.treated_mean) == (3.0, 3.0)
    completed = the(found.metrics, "completed_plays").figures
    assert completed.treated_mean == 1.0
    assert [(arm.alias, arm.users, arm.pending) for arm in found.arms] == [
        ("champion", 1, 0),
        ("rival", 2, 1),
    ]
    assert "too few users" in found.warnings[-1]


def test_a_flood_of_pages_by_one_user_is_capped(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    for second in range(PAGES_OF_DAY_MAX + 50):
        log.page("flood", START_MS + second, "one/rival", clicked=["e0"])
    log.page("ada", START_MS, "one/champion", clicked=["e0"])
    log.page("ada", START_MS + 2 * DAY_MS, "champion")
    clicks = the(report(sqlite_engine, log, tmp_path).metrics, "clicks").figures
    assert (clicks.treated_mean, clicks.control_mean) == (PAGES_OF_DAY_MAX, 1.0)


def test_who_is_there_every_day_for_weeks_counts_for_every_day(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    """What ada did in the last of the four weeks before says most of what she does now."""
    log, daily, days = Log(), 5, 27
    assert daily * days > PAGES_OF_DAY_MAX
    for day in range(days):
        for number in range(daily):
            at_ms = START_MS - (days - day) * DAY_MS + number
            log.page("ada", at_ms, "champion", entities=["e0"], clicked=["e0"])
    log.page("ada", START_MS, "one/champion")
    found = experiment_users(
        logged_pages(log.write(tmp_path)),
        experiment,
        PageQuality(Catalog(sqlite_engine).snapshot()),
        RewardConfig(),
    )
    assert found is not None
    assert found.before_UM[0, METRICS.index("clicks")] == daily * days


def test_one_user_counts_for_so_much_at_most_and_who_was_cut_is_told(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    every = ("e0", "e1", "e2")
    pages = CLICKS_OF_DAY_MAX // len(every) + 1
    for number in range(pages):
        log.page("flood", START_MS + number, "one/rival", clicked=every, completed=every)
        log.page("ada", START_MS + number, "one/champion", clicked=every[:2])
    log.page("nobody", START_MS + 2 * DAY_MS, "champion")
    found = report(sqlite_engine, log, tmp_path)
    figures = [the(found.metrics, metric).figures for metric in METRICS]
    assert [each.treated_mean for each in figures] == [40.0, 100.0, 20.0]
    assert [each.control_mean for each in figures] == pytest.approx([0.4 * pages, 2 * pages, 0])
    assert [arm.capped for arm in found.arms] == [0, 1]


def test_an_arm_whose_readers_act_more_is_not_cut_earlier(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    for number in range(PAGES_OF_DAY_MAX):
        at_ms = START_MS + number * 1000
        log.page("ada", at_ms, "one/champion", entities=["e0", "e2"], clicked=["e2"])
        of_page = {"arm": "one/rival", "page_id": f"browsed-{number}"}
        log.page("bob", at_ms, entities=["e0"], **of_page)
        log.page("bob", at_ms + 1, entities=["e2"], clicked=["e2"], rows_before=1, **of_page)
    log.page("nobody", START_MS + 2 * DAY_MS, "champion")
    found = report(sqlite_engine, log, tmp_path)
    clicks = the(found.metrics, "clicks").figures
    assert (clicks.control_mean, clicks.treated_mean) == (PAGES_OF_DAY_MAX, PAGES_OF_DAY_MAX)
    assert [arm.pages for arm in found.arms] == [PAGES_OF_DAY_MAX, PAGES_OF_DAY_MAX]


def test_a_page_is_as_diverse_as_it_is_whole_however_many_records_it_has(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    for number in range(120):
        at_ms, user_id = START_MS + number * 1000, f"user-{number}"
        if number % 2:
            log.page(user_id, at_ms, "one/champion", entities=("e0", "e2"), first_row_ms=20)
            continue
        of_page = {"arm": "one/rival", "page_id": user_id}
        # Carried on as of its own moment: only `rows_before` says which record came first.
        log.page(user_id, at_ms, entities=("e0",), first_row_ms=20, **of_page)
        log.page(user_id, at_ms, entities=("e2",), first_row_ms=70, rows_before=1, **of_page)
    log.page("nobody", START_MS + 2 * DAY_MS, "champion")
    found = report(sqlite_engine, log, tmp_path)
    for name, value in (("diversity", 1.0), ("first_row_ms", 20.0)):
        figures = the(found.guardrails, name).figures
        assert (figures.control_mean, figures.treated_mean) == (value, value)
    assert found.warnings == ()


def test_what_a_page_that_is_carried_on_later_shows_counts_by_its_own_moment(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    log.page("ada", START_MS, "one/champion", entities=["e0"], clicked=["e0"])
    for hours, entity in ((0, "e0"), (2, "e1"), (25, "e2")):
        log.page(
            *("bob", START_MS + hours * HOUR_MS, "one/rival"),
            entities=[entity],
            clicked=[entity],
            page_id="long",
            rows_before=hours,
        )
    log.page("nobody", START_MS + 2 * DAY_MS, "champion")
    clicks = the(report(sqlite_engine, log, tmp_path).metrics, "clicks").figures
    assert (clicks.control_mean, clicks.treated_mean) == (1.0, 2.0)


def test_an_arm_whose_model_is_gone_is_told_and_its_pages_count(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    with sqlite_engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM aliases WHERE alias = 'rival'"))
    log = Log()
    log.page("ada", START_MS, "one/champion")
    log.page("bob", START_MS, "one/rival", degraded=LOST)
    found = report(sqlite_engine, log, tmp_path)
    rival = found.arms[1]
    assert (rival.alias, rival.users, rival.fell_back, rival.version_now) == ("rival", 1, 1, "")
    assert rival.versions == {}
    assert any("alias points to no model" in warning for warning in found.warnings)
    assert any("1 of 1 pages fell back" in warning for warning in found.warnings)
    # Who stops it and promotes the challenger takes its alias away.
    Experiments(sqlite_engine).stop("one")
    stopped = report(sqlite_engine, log, tmp_path / "stopped")
    assert not any("alias points to no model" in warning for warning in stopped.warnings)


def test_an_arm_whose_model_fails_on_its_pages_is_told(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    log.page("ada", START_MS, "one/champion")
    log.page("bob", START_MS, "one/rival", version="", degraded="MODEL_FAILED")
    log.page("bob", START_MS + 1, "one/rival", version="", degraded=f"{LOST},MODEL_NOT_LOADED")
    log.page("bob", START_MS + 2, "one/rival", version="v2", page_id="half")
    log.page("bob", START_MS + 3, "one/rival", version="", page_id="half", rows_before=1)
    log.page("bob", START_MS + 4, "one/rival", version="v2")
    found = report(sqlite_engine, log, tmp_path)
    rival = found.arms[1]
    assert (rival.pages, rival.fell_back, rival.versions) == (4, 0, {"": 3, "v2": 1})
    told = [warning for warning in found.warnings if "by popularity" in warning]
    assert [warning.split(",")[0] for warning in told] == [
        "arm rival: 3 of 4 pages were made by popularity"
    ]


def test_an_alias_that_was_moved_is_told(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    for number, version in enumerate(("v2", "v2", "v3")):
        log.page("bob", START_MS + number, "one/rival", version=version)
    log.page("bob", START_MS + 9, "one/rival", version="v2", degraded=LOST)
    found = report(sqlite_engine, log, tmp_path)
    assert any("v2 (2 pages), v3 (1 pages)" in warning for warning in found.warnings)


def test_the_champion_whose_pages_an_arm_fell_back_to_may_change(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    for number, version in enumerate(("v1", "v8", "v9")):
        log.page("bob", START_MS + number, "one/rival", version=version, degraded=LOST)
    found = report(sqlite_engine, log, tmp_path)
    assert any("3 of 3 pages fell back" in warning for warning in found.warnings)
    assert not any("moved" in warning for warning in found.warnings)


def test_a_guardrail_says_which_arm_has_duller_pages(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    for number in range(120):
        arm = ("champion", "rival")[number % 2]
        entities = ("e0", "e1") if arm == "rival" else ("e0", "e2", "e3")
        log.page(f"user-{number}", START_MS + number, f"one/{arm}", entities=entities)
    log.page("nobody", START_MS + 2 * DAY_MS, "champion")
    found = report(sqlite_engine, log, tmp_path)
    diversity = the(found.guardrails, "diversity")
    assert (diversity.figures.control_mean, diversity.figures.treated_mean) == (1.0, 0.0)
    assert diversity.harmed
    assert [(arm.coverage, arm.coverage_pages) for arm in found.arms] == [(0.75, 60), (0.5, 60)]
    assert any("diversity of rival" in warning for warning in found.warnings)


def test_pages_without_entities_that_are_known_say_nothing_of_their_arm(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    for number in range(120):
        arm = ("champion", "rival")[number % 2]
        log.page(f"user-{number}", START_MS + number, f"one/{arm}", entities=("e0", "e2"))
        if arm == "rival":
            for entities in ([], ["unknown"], ["e0"]):
                log.page(f"user-{number}", START_MS + 200, "one/rival", entities=entities)
    for entities in ([], ["e0"]):
        log.page(f"cut-{len(entities)}", START_MS + 300, "one/rival", entities=entities)
    log.page("nobody", START_MS + 2 * DAY_MS, "champion")
    found = report(sqlite_engine, log, tmp_path)
    diversity, new = (the(found.guardrails, name) for name in ("diversity", "new_entity_share"))
    assert (diversity.figures.control_mean, diversity.figures.treated_mean) == (1.0, 1.0)
    assert (diversity.figures.treated_users, new.figures.treated_users) == (60, 61)
    assert found.warnings == ()


def test_an_arm_with_later_first_rows_is_warned_of_and_one_with_earlier_ones_is_not(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    for late, folder in (("rival", tmp_path / "late"), ("champion", tmp_path / "early")):
        log = Log()
        for number in range(120):
            arm = ("champion", "rival")[number % 2]
            waited_ms = 30 + number % 3 if arm == late else 20 + number % 3
            log.page(f"user-{number}", START_MS + number, f"one/{arm}", first_row_ms=waited_ms)
        log.page("nobody", START_MS + 2 * DAY_MS, "champion")
        found = report(sqlite_engine, log, folder)
        first_row = the(found.guardrails, "first_row_ms")
        assert first_row.figures.difference.value == pytest.approx(10 if late == "rival" else -10)
        assert first_row.harmed == (late == "rival")
        warned = any("first_row_ms of rival" in warning for warning in found.warnings)
        assert warned == first_row.harmed


def test_pages_that_do_not_say_when_their_first_row_came_do_not_count_for_it(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    for number in range(120):
        arm = ("champion", "rival")[number % 2]
        log.page(f"user-{number}", START_MS + number, f"one/{arm}")
        if number >= 60:
            log.page(f"user-{number}", START_MS + 200, f"one/{arm}", first_row_ms=20)
    log.page("nobody", START_MS + 2 * DAY_MS, "champion")
    found = report(sqlite_engine, log, tmp_path)
    first_row, diversity = (the(found.guardrails, name) for name in ("first_row_ms", "diversity"))
    assert (first_row.figures.control_users, first_row.figures.control_mean) == (30, 20.0)
    assert diversity.figures.control_users == 60


def test_users_who_are_missing_raise_the_alarm(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    log = Log()
    for number in range(200):
        log.page(f"user-{number}", START_MS + number, f"one/{('champion', 'rival')[number > 50]}")
    found = report(sqlite_engine, log, tmp_path)
    assert found.sample_ratio is not None
    assert found.sample_ratio.alarm
    assert found.warnings[0].startswith("sample ratio mismatch: [51, 149]")


def test_after_the_stop_users_whose_time_was_cut_are_left_out(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    Experiments(sqlite_engine).stop("one")
    log = Log()
    log.page("ada", START_MS, "one/champion")
    log.page("bob", START_MS, "one/rival")
    log.page("cleo", START_MS + 2 * DAY_MS, "one/rival")
    log.page("nobody", START_MS + 9 * DAY_MS, "champion")
    found = report(sqlite_engine, log, tmp_path)
    assert [(arm.alias, arm.users, arm.pending) for arm in found.arms] == [
        ("champion", 1, 0),
        ("rival", 2, 1),
    ]
    assert found.as_of_ms == START_MS + 2 * DAY_MS


def test_a_page_that_is_carried_on_after_the_stop_brings_nobody_back(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    Experiments(sqlite_engine).stop("one")
    log = Log()
    log.page("ada", START_MS, "one/champion")
    log.page("bob", START_MS + 20 * HOUR_MS, "one/rival", page_id="old")
    for user_id in ("bob", "cleo"):
        # Of cleo's page the beginning was lost: nobody knows when it was.
        log.page(user_id, START_MS + 30 * HOUR_MS, "one/rival", page_id="old", rows_before=1)
    found = report(sqlite_engine, log, tmp_path)
    assert found.as_of_ms == START_MS + 20 * HOUR_MS
    assert [(arm.alias, arm.users, arm.pending) for arm in found.arms] == [
        ("champion", 1, 1),
        ("rival", 1, 1),
    ]


def test_an_experiment_without_pages_has_a_report_that_says_so(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    found = report(sqlite_engine, Log(), tmp_path)
    assert found.warnings == ("no page of this experiment is in the offline log yet",)
    assert json.loads(json.dumps(found.to_json()))["sample_ratio"] is None
    with pytest.raises(ExperimentUnknown):
        report_experiment(sqlite_engine, Log().write(tmp_path / "other"), "two")


def test_the_report_as_json_keeps_the_salt(
    sqlite_engine: sa.Engine, experiment: Experiment, tmp_path: Path
) -> None:
    told = json.dumps(report(sqlite_engine, clicking(80, experiment, 0.0), tmp_path).to_json())
    assert "salt" not in told
    assert json.loads(told)["shares"] == {"champion": 0.5, "rival": 0.5}
