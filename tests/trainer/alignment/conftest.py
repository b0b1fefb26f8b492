"""What files of this folder share: logged pages of a known worth, and reward models of them."""

from collections.abc import Iterator

import pytest
from trainer.alignment.factories_alignment import untrained
from trainer.alignment.factories_rewarded import (
    MEMBERS,
    REWARDED,
    TABLE,
    RewardedWorld,
    rewarding_world,
)

from pagecast.trainer.alignment.learned import RewardModels, train_reward_models
from pagecast.trainer.fitting.threads import threads


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """The order of sums depends on the number of threads, and the last bits on that."""
    with threads(1):
        yield


@pytest.fixture(scope="session")
def rewarded_world(tmp_path_factory: pytest.TempPathFactory) -> RewardedWorld:
    """An untrained champion, and a page of each member."""
    data = rewarding_world(tmp_path_factory.mktemp("rewarding"), MEMBERS).dataset()
    return untrained(data), data.shown.pages


@pytest.fixture(scope="session")
def models(rewarded_world: RewardedWorld) -> RewardModels:
    return train_reward_models(*rewarded_world, REWARDED, TABLE)
