"""Which pages an arm's off-policy estimates are made from."""

from pathlib import Path

import pytest
from factories import START_MS
from featurestore.experiments.factories_experiments import HOUR_MS, Log

from pagecast.featurestore.experiments.arm_estimates import newest_drawn
from pagecast.featurestore.pages.logged_pages import WINDOW_MS, LoggedPageOutcome, logged_pages


def drawn_of(log: Log, folder: Path, pages_max: int = 10) -> dict[str, list[LoggedPageOutcome]]:
    logged = logged_pages(log.write(folder))
    return newest_drawn(logged, {"one/champion", "one/rival"}, pages_max)


def test_drawn_pages_of_the_arms_are_taken_and_no_others(tmp_path: Path) -> None:
    log = Log()
    for number, (arm, temperature) in enumerate(
        [("one/champion", 1.0), ("one/champion", 0.0), ("one/rival", 0.5), ("champion", 1.0)]
    ):
        log.page(f"user-{number}", START_MS + number, arm, temperature=temperature)
    log.page("last", START_MS + HOUR_MS, "champion")
    found = drawn_of(log, tmp_path)
    users = {arm: [page.user_id for page in pages] for arm, pages in found.items()}
    assert users == {"one/champion": ["user-0"], "one/rival": ["user-2"]}


def test_a_page_that_no_model_made_has_no_probability(tmp_path: Path) -> None:
    log = Log()
    log.page("ada", START_MS, "one/champion", temperature=1.0, version="")
    log.page("last", START_MS + HOUR_MS, "champion")
    assert drawn_of(log, tmp_path) == {}


@pytest.mark.parametrize(("later_ms", "over"), [(WINDOW_MS - 1, False), (WINDOW_MS, True)])
def test_a_page_whose_half_hour_is_not_over_is_left_out(
    tmp_path: Path, later_ms: int, *, over: bool
) -> None:
    log = Log()
    log.page("ada", START_MS, "one/rival", temperature=1.0)
    log.page("last", START_MS + later_ms, "champion")
    assert bool(drawn_of(log, tmp_path)) == over


def test_the_newest_count_and_stay_in_the_order_of_time(tmp_path: Path) -> None:
    log = Log()
    for number in range(6):
        log.page(f"user-{number}", START_MS + number, "one/rival", temperature=1.0)
    log.page("last", START_MS + HOUR_MS, "champion")
    found = drawn_of(log, tmp_path, pages_max=3)["one/rival"]
    assert [page.user_id for page in found] == ["user-3", "user-4", "user-5"]


def test_who_asks_for_many_pages_does_not_fill_the_log(tmp_path: Path) -> None:
    log = Log()
    for number in range(60):
        log.page(f"user-{number}", START_MS + 10 * number, "one/rival", temperature=1.0)
        for more in range(3):
            log.page("program", START_MS + 10 * number + more, "one/rival", temperature=1.0)
    log.page("last", START_MS + HOUR_MS, "champion")
    found = drawn_of(log, tmp_path, pages_max=100)["one/rival"]
    times = [page.requested_at_ms for page in found]
    assert times == sorted(times)
    assert [page.requested_at_ms - START_MS for page in found if page.user_id == "program"] == [
        591,
        592,
    ]
    assert [page.user_id for page in found if page.user_id != "program"] == [
        f"user-{number}" for number in range(60)
    ]
