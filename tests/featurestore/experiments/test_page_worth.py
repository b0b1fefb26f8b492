"""The plain reward model of pages."""

import pytest
from trainer.evaluation.reports.test_logged_report import page

from pagecast.featurestore.experiments.page_worth import PRIOR_IMPRESSIONS, PageWorth
from pagecast.featurestore.pages.reward import RewardConfig

REWARDS = RewardConfig()


def test_what_earned_more_predicts_more_and_little_is_drawn_to_the_mean() -> None:
    pages = [page(f"u{n}", (0, 0)) for n in range(100)]
    worth = PageWorth.fit(pages, REWARDS)
    liked, passed = worth.of_entity["e00"], worth.of_entity["e01"]
    assert liked > worth.mean > passed
    assert liked == pytest.approx((100 * 0.4 + PRIOR_IMPRESSIONS * 0.1) / (100 + PRIOR_IMPRESSIONS))
    assert worth.of([["e00", "e01"]]) == pytest.approx(liked + passed)
    assert worth.of([["e00"]]) > worth.of([["never seen"]]) == pytest.approx(worth.mean)


def test_what_was_never_served_there_is_not_seen_there() -> None:
    worth = PageWorth.fit([page("u", (0, 0))], REWARDS)
    assert worth.of([[], [], [], ["e00"]]) == 0.0


def test_without_pages_every_page_is_worth_nothing() -> None:
    assert PageWorth.fit([], REWARDS).of([["e00"]]) == 0.0
