"""Off-policy estimates: right where the truth is known, with warnings where they cannot know it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.cli.bench.align.slates import Slates
from pagecast.featurestore.experiments.off_policy import (
    DrawnPages,
    NoEstimate,
    NothingDrawn,
    OffPolicyReport,
    estimate_off_policy,
    was_drawn,
)
from pagecast.v1 import events_pb2

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=15)
NEAR = Slates(seed=5, distance=0.4)


def by_name(report: OffPolicyReport) -> dict[str, float]:
    return {one.estimator: one.value for one in report.estimates}


def width(report: OffPolicyReport, name: str) -> float:
    (one,) = (each for each in report.estimates if each.estimator == name)
    return one.interval.high - one.interval.low


def test_the_truth_is_inside_of_the_interval_as_often_as_it_says() -> None:
    truth, runs = NEAR.truth(100_000), 100
    inside = dict.fromkeys(("ips", "snips", "dr"), 0)
    for run in range(runs):
        found = estimate_off_policy(NEAR.log(400, run))
        assert found.warnings == ()
        for one in found.estimates:
            inside[one.estimator] += truth in one.interval
    assert min(inside.values()) >= 90


def test_a_reward_model_and_normalising_make_it_surer() -> None:
    found = estimate_off_policy(NEAR.log(1000, 0))
    assert width(found, "dr") < width(found, "ips")
    assert width(found, "snips") < width(found, "ips")


@FEW
@given(SEEDS)
def test_the_policy_itself_earns_what_it_earned(seed: int) -> None:
    pages = Slates(seed=1, distance=0.0).log(200, seed)
    found = estimate_off_policy(pages)
    assert found.effective == pytest.approx(200)
    assert by_name(found)["ips"] == pytest.approx(pages.reward_P.mean())
    assert by_name(found)["snips"] == pytest.approx(pages.reward_P.mean())


@FEW
@given(SEEDS, st.floats(-10, 10))
def test_a_constant_on_top_of_the_rewards_moves_snips_by_itself(seed: int, more: float) -> None:
    pages = NEAR.log(100, seed)
    moved = estimate_off_policy(replace(pages, reward_P=pages.reward_P + more))
    assert by_name(moved)["snips"] == pytest.approx(
        by_name(estimate_off_policy(pages))["snips"] + more, abs=1e-9
    )


@FEW
@given(SEEDS)
def test_without_a_reward_model_doubly_robust_is_ips(seed: int) -> None:
    pages = NEAR.log(100, seed)
    none_P = np.zeros(len(pages.user_P))
    found = by_name(estimate_off_policy(replace(pages, predicted_P=none_P, expected_P=none_P)))
    assert found["dr"] == pytest.approx(found["ips"])


def test_a_target_that_is_far_away_is_warned_of() -> None:
    found = estimate_off_policy(Slates(seed=5, distance=4.0).log(1000, 0))
    assert found.effective < 100
    assert any("are worth" in warning for warning in found.warnings)


def test_probabilities_that_were_not_those_of_the_drawing_are_warned_of() -> None:
    pages = NEAR.log(1000, 0)
    found = estimate_off_policy(replace(pages, log_drawn_P=0.8 * pages.log_drawn_P))
    assert any("should be 1" in warning for warning in found.warnings)


def test_users_with_many_pages_alike_widen_the_interval() -> None:
    pages = NEAR.log(1000, 0)
    apart = estimate_off_policy(pages)
    thrice = {name: np.tile(column, 3) for name, column in vars(pages).items()}
    again = estimate_off_policy(DrawnPages(**thrice))
    assert width(again, "snips") == pytest.approx(width(apart, "snips"), rel=0.01)


@pytest.mark.parametrize("without", ["rows", "sampling", "model_version"])
def test_a_page_without_rows_a_draw_or_a_model_was_not_drawn(without: str) -> None:
    row = events_pb2.ServedRow(row_id="r0", entity_ids=["e0"])
    sampling = events_pb2.Sampling(temperature=1.0)
    page = events_pb2.PageServed(model_version="v1", sampling=sampling, rows=[row])
    assert was_drawn(page)
    page.ClearField(without)
    assert not was_drawn(page)


@pytest.mark.parametrize(("users", "warned"), [(40, True), (400, False)])
def test_many_pages_of_few_users_are_warned_of(users: int, *, warned: bool) -> None:
    pages = NEAR.log(1000, 0)
    found = estimate_off_policy(replace(pages, user_P=pages.user_P % users))
    assert any("users, fewer than 50" in warning for warning in found.warnings) == warned
    assert len(found.warnings) == warned


def test_one_user_says_nothing_of_others() -> None:
    pages = NEAR.log(1000, 0)
    with pytest.raises(NoEstimate, match="all pages are of one user"):
        estimate_off_policy(replace(pages, user_P=np.zeros(1000, np.int64)))


def test_pages_that_were_not_drawn_have_no_estimate() -> None:
    pages = NEAR.log(10, 0)
    with pytest.raises(NothingDrawn, match="takes the best token has no estimate"):
        replace(pages, log_drawn_P=np.zeros(10))


@pytest.mark.parametrize(
    ("name", "value"),
    [("reward_P", np.nan), ("log_drawn_P", -np.inf), ("log_drawn_P", 0.1), ("log_target_P", 0.1)],
)
def test_numbers_that_cannot_be_are_named(name: str, value: float) -> None:
    pages = NEAR.log(10, 0)
    wrong = getattr(pages, name).copy()
    wrong[3] = value
    with pytest.raises(ValueError, match=name):
        replace(pages, **{name: wrong})


def test_a_target_that_never_makes_the_pages_is_refused() -> None:
    pages = NEAR.log(10, 0)
    with pytest.raises(ValueError, match="never makes these pages"):
        estimate_off_policy(replace(pages, log_target_P=np.full(10, -np.inf)))
