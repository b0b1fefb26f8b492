"""What visits leave behind: logged pages as training takes them, from members who do not judge."""

from pathlib import Path

import pytest
from cli.bench.align.factories_arena import EFFORT, workshop

from pagecast.cli.bench.align.visits import Visits
from pagecast.cli.bench.align.workshop import LOG_MEMBERS_MIN, REWARD


@pytest.fixture(scope="module")
def judging(tmp_path_factory: pytest.TempPathFactory) -> Visits:
    return workshop(tmp_path_factory.mktemp("shop")).visits(None)


def test_pages_are_worth_what_the_report_says(judging: Visits) -> None:
    worth: dict[str, float] = {}
    for page in judging.pages:
        outcomes = [o for row in page.rows for o in row.outcomes if o is not None]
        assert outcomes, "pages of which nothing was seen are left out"
        worth[page.user_id] = worth.get(page.user_id, 0.0) + REWARD.of_page(outcomes)
    of_member = judging.report.tallies.of_member
    assert len(judging.pages) == sum(tally.pages for tally in of_member.values())
    for user_id, tally in of_member.items():
        assert worth[user_id] == pytest.approx(tally.reward)


def test_a_page_has_the_prompt_of_its_moment(judging: Visits) -> None:
    by_user: dict[str, list[int]] = {}
    for page in judging.pages:
        assert all(step.occurred_at_ms <= page.prompt.request.at_ms for step in page.prompt.steps)
        by_user.setdefault(page.user_id, []).append(page.prompt.request.at_ms)
    assert all(moments == sorted(moments) for moments in by_user.values())


def test_who_makes_the_log_does_not_judge(judging: Visits, tmp_path: Path) -> None:
    log = workshop(tmp_path).visits(None, logging=True)
    own, others = ({page.user_id for page in visits.pages} for visits in (judging, log))
    assert others
    assert own.isdisjoint(others)
    assert (judging.report.config.members, log.report.config.members) == (
        EFFORT.members,
        LOG_MEMBERS_MIN,
    )
    launched = {entity.entity_id for entity in log.catalog.entities}
    assert launched - {entity.entity_id for entity in judging.catalog.entities}
