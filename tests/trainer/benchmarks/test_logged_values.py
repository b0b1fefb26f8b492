"""GenPage's measures on logged pages: areas and intervals are those of the pages."""

import numpy as np
import pytest
from trainer.alignment.factories_alignment import untrained
from trainer.alignment.factories_rewarded import TABLE, rewarding_world

from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.benchmarks.logged_values import (
    ENTITY_AUC,
    LOSS,
    ROW_AUC,
    USERS,
    WEIGHT,
    Said,
    logged_values,
    user_areas,
)
from pagecast.trainer.evaluation.figures.auc import auc_interval, weighted_auc
from pagecast.trainer.page_config import PostTrainConfig
from pagecast.trainer.pages.shown import ShownPage

MEMBERS = 8


def said(users: int, each: int, seed: int = 0) -> Said:
    """Positives score a little higher; some scores are equal."""
    rng = np.random.default_rng(seed)
    label_X = (rng.random(users * each) < 0.3).astype(float)
    return Said(
        logit_X=np.round(rng.normal(0.8 * label_X), 1),
        label_X=label_X,
        weight_X=rng.uniform(0.2, 2.0, users * each),
        user_X=np.repeat(np.arange(users), each),
    )


def test_the_mean_over_users_is_the_area_and_their_deviation_its_error() -> None:
    users = 300
    found = said(users, each=4)
    area_U = user_areas(found, users)
    assert area_U is not None
    positive_X = found.label_X > 0
    whole = weighted_auc(found.logit_X, positive_X, found.weight_X)
    assert area_U.mean() == pytest.approx(whole)
    drawn = auc_interval(found.logit_X, positive_X, found.weight_X, found.user_X)
    half = 1.96 * area_U.std(ddof=1) / users**0.5
    assert half == pytest.approx((drawn.high - drawn.low) / 2, rel=0.2)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_labels_that_are_all_alike_have_no_area(label: float) -> None:
    ones = np.ones(3)
    alike = Said(logit_X=ones, label_X=label * ones, weight_X=ones, user_X=np.zeros(3, np.int64))
    assert user_areas(alike, 1) is None


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Policy, tuple[ShownPage, ...]]:
    data = rewarding_world(tmp_path_factory.mktemp("pages"), MEMBERS).dataset()
    return untrained(data), data.shown.pages


def test_every_impression_counts_once_by_the_size_of_its_reward(
    world: tuple[Policy, tuple[ShownPage, ...]],
) -> None:
    policy, pages = world
    users = sorted({page.user_id for page in pages})
    figures = logged_values(policy, pages, users, TABLE)
    assert {len(figures[name]) for name in (LOSS, WEIGHT, USERS)} == {len(users)}  # type: ignore[arg-type]
    assert figures[USERS] == [1.0] * len(users)
    assert {ENTITY_AUC, ROW_AUC} <= figures.keys()
    passed_over = PostTrainConfig().passed_over_weight
    rewards = [
        TABLE.entity(outcome)
        for page in pages
        for row in page.rows
        for outcome in row.outcomes
        if outcome is not None
    ]
    of_entities = sum(abs(reward) or passed_over for reward in rewards)
    assert sum(figures[WEIGHT]) > of_entities  # type: ignore[arg-type]


def test_a_model_that_knows_what_is_liked_has_the_smaller_loss_and_the_larger_area() -> None:
    rng = np.random.default_rng(1)
    label_X = (rng.random(200) < 0.3).astype(float)
    knowing, blind = (
        Said(
            logit_X=scale * (2 * label_X - 1) + rng.normal(size=200),
            label_X=label_X,
            weight_X=np.ones(200),
            user_X=np.arange(200) % 20,
        )
        for scale in (2.0, 0.0)
    )
    knows, knows_not = user_areas(knowing, 20), user_areas(blind, 20)
    assert knows is not None
    assert knows_not is not None
    assert knows.mean() > knows_not.mean() + 0.2
