"""Off-policy estimates in an experiment's report: for arms that drew, and why not for others."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from eventlog.factories_eventlog import event_log
from factories import START_MS, timestamp
from featurestore.experiments.factories_experiments import Log
from server.experiments.test_replay import Ingest
from server.experiments.test_service import stub
from server.factories_server import House, eventually
from server.models.test_arms import OTHER, start, with_rival

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.featurestore.experiments.arm_estimates import ArmEstimate
from pagecast.featurestore.experiments.assignment import Experiment
from pagecast.featurestore.experiments.off_policy import estimate_off_policy
from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.featurestore.pages.logged_pages import logged_pages
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.server.experiments.arm_estimates import ReportSource, report_with_estimates
from pagecast.server.experiments.off_policy import LogOfPages, Target, drawn_pages
from pagecast.v1 import events_pb2, experiment_pb2

HOUR_MS = 3_600_000
SHAPE = {"rows": 2, "entities_per_row": 4}
SAMPLED = events_pb2.Sampling(temperature=1.5, top_p=1.0)
DRAWN = 3


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    with event_log(tmp_path) as servers:
        yield servers


def estimates_of(
    house: House, pages: int, told: Callable[[float], None] = lambda _: None
) -> dict[tuple[str, str], ArmEstimate]:
    source = ReportSource.of(house.engine, house.paths, DEFAULT_FOLD, RewardConfig())
    report = report_with_estimates(source, "one", off_policy_pages=pages, told=told)
    return {(one.drawn_by, one.target): one for one in report.off_policy}


def some_of(experiment: Experiment, alias: str, count: int) -> list[str]:
    users = (f"user-{number}" for number in range(10_000))
    return list(islice((user for user in users if experiment.draw(user) == alias), count))


async def test_an_arm_that_drew_has_estimates_of_the_other_and_a_greedy_one_says_why_not(
    house: House, bootstrap: str
) -> None:
    versions = with_rival(house)
    experiment = start(house)
    control, treated = some_of(experiment, "champion", DRAWN), some_of(experiment, "rival", 1)
    ingest = Ingest(house)
    request = experiment_pb2.GetExperimentReportRequest(name="one", off_policy_pages=10)
    async with house.serve(bootstrap_servers=bootstrap) as served:
        for user_id in control:
            await served.page(user_id, sampling=SAMPLED, **SHAPE)
        await served.page(treated[0], **SHAPE)
        await served.page("late", requested_at=timestamp(START_MS + HOUR_MS), **SHAPE)
        count = DRAWN + 2
        sent = {"outcome": "sent"}
        await eventually(lambda: served.metric("pagecast_pages_reported_total", **sent) == count)
        await ingest.pages(bootstrap, count)
        told = (await stub(served).GetExperimentReport(request)).report
    assert {arm.alias: arm.drawn for arm in told.arms} == {"champion": DRAWN, "rival": 0}
    of_rival, of_nobody = told.off_policy
    assert (of_rival.drawn_by, of_rival.target) == ("champion", "rival")
    assert (of_rival.target_version, of_rival.pages) == (versions["rival"], DRAWN)
    assert of_rival.ips.low <= of_rival.ips.value <= of_rival.ips.high
    assert any("do not trust the intervals" in warning for warning in of_rival.warnings)
    assert (of_nobody.drawn_by, of_nobody.target, of_nobody.pages) == ("rival", "", 0)
    assert "takes the best token has no estimate" in of_nobody.why_not

    shares: list[float] = []
    found = await asyncio.to_thread(estimates_of, house, 10, shares.append)
    assert shares == pytest.approx([1 / 3, 2 / 3, 1.0])
    bundle = load_bundle(house.paths.bundles / versions["rival"])
    source = LogOfPages(log=ingest.log, catalog=house.catalog)
    pages = [page for page in logged_pages(ingest.log) if page.arm == "one/champion"]
    target = Target(bundle=bundle, temperature=SAMPLED.temperature)
    by_hand = await asyncio.to_thread(drawn_pages, source, pages, target)
    assert found["champion", "rival"].found == estimate_off_policy(by_hand)

    not_asked = estimates_of(house, 0)["champion", "rival"]
    assert not_asked == replace(
        found["champion", "rival"], found=None, why_not="not asked for: 3 of its pages were drawn"
    )


def test_what_stands_against_an_estimate_is_told_of_each_target(house: House) -> None:
    with_rival(house)
    start(house)
    log = Log()
    log.page("ada", START_MS, "one/champion", temperature=1.0)
    log.page("bob", START_MS, "one/rival", temperature=1.0)
    log.write(house.paths.offline)
    young = estimates_of(house, 10)
    assert set(young) == {("champion", "rival"), ("rival", "champion")}
    assert {one.why_not for one in young.values()} == {
        "the half hour of its drawn pages (1) is not over yet"
    }


def test_an_arm_s_model_is_the_one_it_served_after_the_other_s_was_promoted(house: House) -> None:
    control, treated = house.train_champion(), house.train(OTHER)
    start(house, champion=0.4, challenger=0.4)
    log = Log()
    log.page("ada", START_MS, "one/champion", temperature=1.0, version=control)
    log.page("bob", START_MS, "one/challenger", temperature=1.0, version=treated)
    log.write(house.paths.offline)
    house.registry.promote(treated, by="test")
    found = {target: one.target_version for (_, target), one in estimates_of(house, 0).items()}
    assert found == {"champion": control, "challenger": treated}


def test_an_arm_that_has_served_nothing_is_asked_about_where_its_alias_points(
    house: House,
) -> None:
    versions = with_rival(house)
    start(house)
    log = Log()
    log.page("ada", START_MS, "one/champion", temperature=1.0)
    log.write(house.paths.offline)
    found = estimates_of(house, 0)["champion", "rival"]
    assert found.target_version == versions["rival"]


def test_a_version_that_is_not_registered_is_named(house: House) -> None:
    with_rival(house)
    start(house)
    log = Log()
    log.page("ada", START_MS, "one/champion", temperature=1.0)
    log.page("bob", START_MS, "one/rival", version="elsewhere")
    log.page("last", START_MS + HOUR_MS, "champion")
    log.write(house.paths.offline)
    found = estimates_of(house, 10)["champion", "rival"]
    assert "no model 'elsewhere' is registered" in found.why_not
