import json
from dataclasses import asdict

import numpy as np
import pytest
from trainer.factories_trainer import SMALL, page_builder

from pagecast.trainer.batches.batch import PackedBatch
from pagecast.trainer.batches.epochs import Epochs, Place
from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.data.dataset import Dataset


@pytest.fixture(scope="module")
def examples(dataset: Dataset) -> Examples:
    return Examples(dataset, page_builder(dataset), SMALL)


def epochs_of(examples: Examples, seed: int = 3, share: slice = slice(None)) -> Epochs:
    return Epochs(examples, np.random.default_rng(seed), share)


def alike(one: PackedBatch | None, other: PackedBatch | None) -> bool:
    assert one is not None
    assert other is not None
    return np.array_equal(one.entity_BL, other.entity_BL) and np.array_equal(
        one.pages.entity_K, other.pages.entity_K
    )


def test_epochs_are_those_of_the_examples_one_after_the_other(examples: Examples) -> None:
    rng = np.random.default_rng(3)
    expected = [*examples.epoch(rng), *examples.epoch(rng)]
    epochs = epochs_of(examples)
    assert all(alike(batch, epochs.take()) for batch in expected)


@pytest.mark.parametrize("behind", ["nothing", "some", "an epoch", "an epoch and one"])
def test_a_place_kept_as_json_is_gone_back_to(examples: Examples, behind: str) -> None:
    epoch = examples.batches_per_epoch
    taken = {"nothing": 0, "some": 2, "an epoch": epoch, "an epoch and one": epoch + 1}[behind]
    epochs = epochs_of(examples)
    for _ in range(taken):
        epochs.take()
    kept = json.dumps(asdict(epochs.place))
    ahead = [epochs.take() for _ in range(epoch + 1)]
    again = epochs_of(examples, seed=99)
    again.go_to(Place(**json.loads(kept)))
    assert all(alike(batch, again.take()) for batch in ahead)


def test_shares_of_a_batch_are_the_batch(examples: Examples) -> None:
    whole = epochs_of(examples)
    parts = [epochs_of(examples, share=slice(rank, None, 2)) for rank in range(2)]
    for _ in range(examples.batches_per_epoch + 2):
        batch, shares = whole.take(), [part.take() for part in parts]
        assert batch is not None
        rows = [row for share in shares if share is not None for row in _histories(share)]
        assert sorted(rows) == sorted(_histories(batch))


def test_more_processes_than_windows_leave_some_without_a_batch(examples: Examples) -> None:
    assert epochs_of(examples, share=slice(10_000, None, 20_000)).take() is None


def _histories(batch: PackedBatch) -> list[list[int]]:
    """What each window holds, page positions included, without padding."""
    return [
        batch.entity_BL[b][batch.page_BL[b] >= -1].tolist() for b in range(len(batch.entity_BL))
    ]
