"""How far reward models can be trusted: a flood of one member's pages decides no figure."""

import numpy as np
import pytest
from trainer.alignment.factories_rewarded import REWARDED, TABLE, RewardedWorld

from pagecast.trainer.alignment.learned import RewardModels
from pagecast.trainer.alignment.logged_rewards import RewardedPage, halves_of
from pagecast.trainer.alignment.reward_report import RewardFigures, gate_of, judge_page_model


def flooded(pages: list[RewardedPage], times: int) -> list[RewardedPage]:
    """The first page as often as told, with its weight shared out among its copies."""
    first, *others = pages
    share = {**vars(first), "weight": first.weight / times}
    return [RewardedPage(**share)] * times + others


def test_as_much_weight_in_more_pages_changes_no_figure(
    models: RewardModels, rewarded_world: RewardedWorld
) -> None:
    halves = halves_of(rewarded_world[1], rewarded_world[0].catalog, REWARDED, TABLE)
    # The page of the least prediction is first: no cut between bins goes through it.
    order = np.argsort(models.page.predict(halves.judging))
    judging = [halves.judging[number] for number in order.tolist()]

    def figures(pages: list[RewardedPage]) -> RewardFigures:
        return judge_page_model(models.page, halves.learned, pages)

    once, often = figures(judging), figures(flooded(judging, 50))
    assert often.error == pytest.approx(once.error)
    assert often.correlation == pytest.approx(once.correlation)
    assert once.calibration is not None
    assert often.calibration is not None
    assert often.calibration.error == pytest.approx(once.calibration.error)


def test_the_gate_s_shares_are_of_weight() -> None:
    page = {"user_id": "u", "prompt": None, "rows": ()}
    heavy = RewardedPage(**page, rewards={0: 1.0}, weight=1.0)
    light = RewardedPage(**page, rewards={1: 1.0, 2: 0.0}, weight=0.25)
    lift_E = np.array([9.0, 0.0, 9.0])
    gate = gate_of([lift_E, lift_E], [heavy, light], 5.0)
    assert gate.seen == pytest.approx(1.25 / 1.5)
    assert gate.liked == pytest.approx(1.0 / 1.25)
