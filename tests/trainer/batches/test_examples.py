import dataclasses

import numpy as np
import pytest
from trainer.factories_trainer import SMALL, page_builder

from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset, build_dataset
from pagecast.trainer.data.replay import replay
from pagecast.trainer.data.snapshot import NothingToTrainError


def examples_of(data: Dataset, config: TrainConfig = SMALL) -> Examples:
    return Examples(data, page_builder(data, config), config)


def test_an_epoch_holds_every_window_once(dataset: Dataset) -> None:
    examples = examples_of(dataset)
    batches = list(examples.epoch(np.random.default_rng(0)))
    assert sum(len(batch.entity_BL) for batch in batches) == len(examples.windows)
    assert len(batches) == examples.batches_per_epoch


def test_the_same_generator_draws_the_same_batches(dataset: Dataset) -> None:
    examples = examples_of(dataset)
    first, again = (list(examples.epoch(np.random.default_rng(5))) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.entity_BL, other.entity_BL)
        assert np.array_equal(one.pages.entity_K, other.pages.entity_K)


def test_batches_stay_about_as_large_as_configured(dataset: Dataset) -> None:
    config = dataclasses.replace(SMALL, positions_per_batch=400)
    for batch in examples_of(dataset, config).epoch(np.random.default_rng(0)):
        assert batch.entity_BL.size <= 1.5 * 400


def test_cuts_become_pages_and_openings(dataset: Dataset) -> None:
    config = dataclasses.replace(SMALL, page_cuts_max=1, opening_cuts_max=3)
    examples = examples_of(dataset, config)
    batch = next(examples.epoch(np.random.default_rng(0)))
    pages = {int(page) for page in batch.page_BL[0] if page >= 0}
    assert len(pages) == 4
    assert len(batch.row_from_M) > 0


def test_nobody_to_learn_from_is_an_error_with_a_remedy(dataset: Dataset) -> None:
    with pytest.raises(NothingToTrainError, match="ingest interaction events"):
        examples_of(build_dataset(dataset.catalog, [replay("u", [])], SMALL.engagement))


def test_every_step_of_a_history_is_a_target_whatever_happened_at_the_same_moment(
    dataset: Dataset,
) -> None:
    """A page needs a request that saw strictly earlier steps; the history's objective does not."""
    user = dataset.users[0]
    at_once = dataclasses.replace(user, cut_N=np.arange(len(user.steps)) == 0)
    data = dataclasses.replace(dataset, users=(at_once,), columns=dataset.columns[:1])
    [batch] = examples_of(data).epoch(np.random.default_rng(0))
    assert batch.history.at_J.tolist() == list(range(1, len(user.steps) + 1))
    first_of = np.searchsorted(batch.history.of_K, np.arange(len(user.steps)))
    assert batch.history.entity_K[first_of].tolist() == data.columns[0].entity_N.tolist()
    assert set(batch.sees_BL[0][batch.page_BL[0] >= 0].tolist()) == {1}
