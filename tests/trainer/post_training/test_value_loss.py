"""Weighted binary classification, and pages packed row by row."""

import dataclasses

import numpy as np
import pytest
import torch
from trainer.factories_trainer import SMALL, page_builder
from trainer.fitting.test_forward import CONFIGS, PAGES, model_of

from pagecast.trainer.batches.batch import CutPage, PackedBatch
from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.users import windows
from pagecast.trainer.fitting.forward import packed_hidden
from pagecast.trainer.page_config import PostTrainConfig
from pagecast.trainer.pages.constructed import Origin, PageRow
from pagecast.trainer.post_training.examples import PostExamples
from pagecast.trainer.post_training.value_loss import ValueLosses, value_losses, value_weights
from pagecast.trainer.post_training.valued import RowValues, Value

ROWS = [
    PageRow(row=0, argument=-1, entities=(3, 9), weights=(1.0, 1.0)),
    PageRow(row=2, argument=-1, entities=(5,), weights=(1.0,)),
]

VALUES = [
    RowValues(
        row=(Value(0, 1.0, 0.5),),
        entities=((Value(3, 0.0, 0.2), Value(7, 0.0, 0.1)), (Value(9, 1.0, 2.0),)),
    ),
    RowValues(row=(), entities=((Value(5, 1.0, 1.0),),)),
]

PAGE = CutPage(cut=4, rows=ROWS, values=VALUES, origin=Origin.LOGGED)


def packed(data: Dataset, *pages: CutPage, page_wise: bool = True) -> PackedBatch:
    (window,) = windows(0, data.users[0], range(10), data.catalog, data.vocabulary)
    return pack([window], [pages], ahead_decay=0.5, page_wise=page_wise)


@torch.no_grad()
def test_the_loss_is_of_each_token_where_it_could_be_chosen(dataset: Dataset) -> None:
    """The page is fed in layout order: position 5 is the request's, then ROW 3 9 ROW 5."""
    model, embedded = model_of(dataset, SMALL.model)
    batch = packed(dataset, PAGE)
    hidden_XD = packed_hidden(model, embedded, batch)
    first = int(np.flatnonzero(batch.page_BL[0] == 0)[0])

    def log_sigmoid(at: int, output_D: torch.Tensor, sign: float) -> float:
        return float(torch.nn.functional.logsigmoid(sign * (hidden_XD[at] @ output_D)))

    output_ED = embedded.entity_output_ED
    expected = (
        -0.2 * log_sigmoid(first, output_ED[3], -1.0)
        - 0.1 * log_sigmoid(first, output_ED[7], -1.0)
        - 2.0 * log_sigmoid(first + 1, output_ED[9], 1.0)
        - 1.0 * log_sigmoid(first + 3, output_ED[5], 1.0)
    )
    loss = value_losses(model, embedded, batch)
    assert float(loss.entities) == pytest.approx(expected / 3.3, rel=1e-5)
    of_row = -log_sigmoid(PAGE.cut + 1, embedded.row_output_RD[0], 1.0)
    assert float(loss.rows) == pytest.approx(of_row, rel=1e-5)
    total = loss.total(PostTrainConfig(rows=0.5))
    assert float(total) == pytest.approx(float(loss.entities) + 0.5 * float(loss.rows))


def test_a_page_of_which_nothing_is_said_costs_nothing(dataset: Dataset) -> None:
    model, embedded = model_of(dataset, SMALL.model)
    loss = value_losses(model, embedded, packed(dataset, *PAGES))
    assert loss.entities == loss.rows == 0.0


def test_a_logged_pages_next_token_is_its_only_target(dataset: Dataset) -> None:
    logged, constructed = (
        packed(dataset, dataclasses.replace(PAGE, origin=origin)).pages for origin in Origin
    )
    assert logged.entity_K.tolist() == [3, 9, 5]
    assert constructed.entity_K.tolist() == [3, 9, 9, 5], "what is left of the row"


@torch.no_grad()
def test_point_wise_an_entity_is_predicted_after_the_prompt_and_its_row_alone(
    dataset: Dataset,
) -> None:
    """What stands above and before it makes no difference: as if the page began with its row."""
    model, embedded = model_of(dataset, CONFIGS[0])
    batch = packed(dataset, PAGE, page_wise=False)
    hidden_XD = packed_hidden(model, embedded, batch)
    for row, at in zip(ROWS, (batch.pages.at_J[0], batch.pages.at_J[2]), strict=True):
        alone = packed(dataset, CutPage(cut=4, rows=[row], opening=True))
        expected_XD = packed_hidden(model, embedded, alone)
        expected_D = expected_XD[alone.pages.at_J[0]]
        torch.testing.assert_close(hidden_XD[at], expected_D, atol=1e-5, rtol=0)
    assert batch.row_from_M.tolist() == [PAGE.cut + 1] * 2


def test_point_wise_and_page_wise_have_the_same_targets(dataset: Dataset) -> None:
    whole, alone = (packed(dataset, PAGE, page_wise=w) for w in (True, False))
    for name in ("entity_K", "weight_K"):
        assert getattr(whole.pages, name).tolist() == getattr(alone.pages, name).tolist()
    for name in ("token_V", "label_V", "weight_V"):
        of_whole, of_alone = (getattr(b.values.entities, name) for b in (whole, alone))
        assert of_whole.tolist() == of_alone.tolist()
    assert whole.values.entities.at_V.tolist() != alone.values.entities.at_V.tolist()


@torch.no_grad()
def test_scaled_losses_of_shares_add_up_to_the_whole(dataset: Dataset) -> None:
    examples = PostExamples(Examples(dataset, page_builder(dataset), SMALL))
    rng = np.random.default_rng(0)
    chosen = examples.shuffled(rng)[0][:5]
    pages = examples.pages(chosen, rng)
    model, embedded = model_of(dataset, CONFIGS[0])

    def part(share: slice, every: dict[str, float]) -> ValueLosses:
        batch = examples.pack(chosen[share], pages[share])
        own = value_weights(batch)
        scale = {name: own[name] / every[name] for name in own}
        return value_losses(model, embedded, batch).scaled(scale)

    every = value_weights(examples.pack(chosen, pages))
    assert value_weights(None) == dict.fromkeys(every, 0.0)
    whole, *parts = (part(s, every) for s in (slice(None), slice(0, None, 2), slice(1, None, 2)))
    for name in every:
        added = sum(float(getattr(one, name)) for one in parts)
        assert added == pytest.approx(float(getattr(whole, name)), rel=1e-5)
