"""What reward models say of shown pages, and how unlike a page's entities are."""

import numpy as np
import pytest
from trainer.alignment.factories_rewarded import REWARDED, TABLE, RewardedWorld

from pagecast.trainer.alignment.diversity import mean_distances
from pagecast.trainer.alignment.learned import RewardModels
from pagecast.trainer.alignment.logged_rewards import rewarded_pages
from pagecast.trainer.alignment.opinions import opinions


def test_both_models_are_asked_of_every_page(
    rewarded_world: RewardedWorld, models: RewardModels
) -> None:
    champion, shown = rewarded_world
    pages = rewarded_pages(shown, champion.catalog, REWARDED, TABLE)
    found = opinions(models, pages, gate_lift_min=0.0)
    assert found.true_P.tolist() == [page.reward for page in pages]
    assert found.page_P.tolist() == pytest.approx(models.page.predict(pages).tolist())
    assert found.gated_P.tolist() == found.preference_P.tolist(), "a gate at 0 is open"
    liked = models.preference.predict([pages[3].prompt], [pages[3].entities])[0]
    assert found.preference_P[3] == pytest.approx(liked.sum(), rel=1e-4)
    shut = opinions(models, pages[:2], gate_lift_min=float("inf"))
    assert shut.gated_P.tolist() == [0.0, 0.0]


def test_a_page_of_one_entity_has_no_distance(rewarded_world: RewardedWorld) -> None:
    champion, _ = rewarded_world
    alone, pair, same = mean_distances(champion, [[3], [3, 4], [3, 3]])
    assert np.isnan(alone)
    assert 0.0 < pair <= 2.0
    assert same == pytest.approx(0.0, abs=1e-5)
