"""What reward models say of the pages that members were shown, by member, beside the truth.

These are not the members whose pages the models learned from, so the models know nobody's luck.
Pages are cut to the size of those that models learn from.
"""

from collections.abc import Sequence

import numpy as np

from pagecast.cli.bench.align.workshop import REWARD, Workshop
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.diversity import mean_distances
from pagecast.trainer.alignment.logged_rewards import rewarded_pages
from pagecast.trainer.alignment.opinions import opinions
from pagecast.trainer.alignment.reward_report import RewardReport
from pagecast.trainer.pages.shown import ShownPage

BY_PAGE, BY_PREFERENCE, BY_GATED = "said_page", "said_preference", "said_gated"

OF_PAGE_MODEL, OF_PREFERENCE, OF_GATE = "page_model_", "preference_", "gate_"
"""Prefixes of figures about the reward models themselves."""

TRUE, DISTANCE, JUDGED = "true", "distance", "judged_pages"
"""Reward of what was seen on these very pages; how unlike their entities are; their number."""


def own_reward(
    shop: Workshop, pages: Sequence[ShownPage], user_ids: Sequence[str]
) -> dict[str, list[float]]:
    """Sums over the pages of each member, in the order of `user_ids`.

    Pages are judged without what has come to the catalog since the models were trained.
    """
    config = AlignConfig()
    cut = rewarded_pages(pages, shop.champion.catalog, config, REWARD)
    found = opinions(shop.reward_models, cut, config.gate_lift_min)
    distance_P = mean_distances(shop.champion, [page.entities for page in cut])
    number = {user_id: place for place, user_id in enumerate(user_ids)}
    member_P = np.array([number[page.user_id] for page in cut], np.int64)
    of_page = {
        BY_PAGE: found.page_P,
        BY_PREFERENCE: found.preference_P,
        BY_GATED: found.gated_P,
        TRUE: found.true_P,
        DISTANCE: np.nan_to_num(distance_P),
        JUDGED: np.ones(len(cut)),
    }
    return {
        name: np.bincount(member_P, weights=value_P, minlength=len(user_ids)).tolist()
        for name, value_P in of_page.items()
    }


def of_models(report: RewardReport) -> dict[str, float]:
    """How far the reward models can be trusted, on the half of the log they did not learn from."""
    told = {
        f"{OF_PAGE_MODEL}explained": report.page.explained,
        f"{OF_PAGE_MODEL}correlation": report.page.correlation,
        f"{OF_PREFERENCE}explained": report.preference.explained,
        f"{OF_PREFERENCE}auc": report.preference.auc,
        f"{OF_GATE}seen": report.gate.seen,
        f"{OF_GATE}liked": report.gate.liked,
    }
    return {name: value for name, value in told.items() if value is not None}
