"""What has been watched or placed does not compete, as in the rules."""

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from trainer.factories_trainer import SMALL

from pagecast.featurestore.prompt.vocabulary import FIELDS
from pagecast.trainer.batches.batch import CutPage, PackedBatch
from pagecast.trainer.batches.competition import out_of_competition
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.config import ObjectiveConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features, row_ids
from pagecast.trainer.data.users import Window
from pagecast.trainer.fitting.forward import embed, losses, packed_hidden
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.pages.constructed import PageRow

HISTORY = (-1, 7, 8, 9)
"""Entities of the window's positions: the profile has none."""


def no_fields(positions: int) -> npt.NDArray[np.int64]:
    return np.zeros((positions, len(FIELDS)), np.int64)


def window() -> Window:
    return Window(
        user=0,
        first=0,
        entity_T=np.array(HISTORY),
        fields_TF=no_fields(len(HISTORY)),
        cuts_C=np.arange(len(HISTORY) - 1),
    )


def row(*entities: int) -> PageRow:
    return PageRow(row=0, argument=-1, entities=entities, weights=(1.0,) * len(entities))


def batch_of(page: CutPage, history: Targets | None = None) -> PackedBatch:
    return pack([window()], [[page]], [] if history is None else [history], ahead_decay=0.5)


def out(batch: PackedBatch, targets: Targets) -> dict[int, set[int]]:
    """Entities out of competition by the number of the position in `at_J`."""
    out_JE = out_of_competition(batch, targets, entities=10)
    return {j: set(np.flatnonzero(out_E).tolist()) for j, out_E in enumerate(out_JE) if out_E.any()}


def test_what_a_step_has_before_it_is_out() -> None:
    history = Targets.of([1, 3], [{8: 1.0}, {4: 1.0}], 0.5)
    batch = batch_of(CutPage(cut=0, rows=[]), history)
    assert out(batch, batch.history) == {0: {7}, 1: {7, 8, 9}}


def test_what_stands_on_the_page_is_out_too() -> None:
    batch = batch_of(CutPage(cut=1, rows=[row(3, 4), row(5)]))
    assert out(batch, batch.pages) == {0: {7, 8}, 1: {7, 8, 3}, 2: {7, 8, 3, 4}}


def test_everything_competes_where_something_is_watched_again() -> None:
    history = Targets.of([2, 3], [{7: 1.0, 9: 1.0}, {4: 1.0}], 0.5)
    batch = batch_of(CutPage(cut=0, rows=[]), history)
    assert out(batch, batch.history) == {1: {7, 8, 9}}


def test_a_position_without_history_is_out_of_nothing() -> None:
    nobody = Window(
        user=0,
        first=0,
        entity_T=np.array([-1, -1]),
        fields_TF=no_fields(2),
        cuts_C=np.arange(1),
    )
    batch = pack([nobody], [[]], [Targets.of([1], [{3: 1.0}], 0.5)], ahead_decay=0.5)
    assert out(batch, batch.history) == {}


@given(
    steps=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    ahead=st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
)
def test_no_target_is_ever_out(steps: list[int], ahead: list[int]) -> None:
    positions = len(steps) + 1
    one = Window(
        user=0,
        first=0,
        entity_T=np.array([-1, *steps]),
        fields_TF=no_fields(positions),
        cuts_C=np.arange(positions - 1),
    )
    targets = Targets.of(
        list(range(1, positions)), [dict.fromkeys(ahead, 1.0)] * len(steps), decay=0.7
    )
    batch = pack([one], [[]], [targets], ahead_decay=0.7)
    assert all(out(batch, batch.history).get(j, set()).isdisjoint(ahead) for j in range(len(steps)))


def test_the_loss_is_a_softmax_over_what_competes(dataset: Dataset) -> None:
    torch.manual_seed(0)
    model = PageModel(SMALL.model, dataset.vocabulary).eval()
    features = catalog_features(dataset.catalog, dataset.vocabulary)
    embedded = embed(model, features, row_ids(dataset.catalog, dataset.vocabulary))
    batch = batch_of(CutPage(cut=0, rows=[]), Targets.of([3], [{4: 1.0}], 0.5))
    logits_E = packed_hidden(model, embedded, batch)[3] @ embedded.entity_output_ED.T
    competing_E = torch.ones(len(logits_E), dtype=torch.bool)
    competing_E[list(HISTORY[1:])] = False
    expected = -functional.log_softmax(logits_E[competing_E], dim=0)[4]
    told = losses(model, embedded, batch, seen_compete=False)
    torch.testing.assert_close(told.history, expected)
    assert torch.isfinite(told.total(ObjectiveConfig()))
    assert told.history < losses(model, embedded, batch).history
