from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pagecast.trainer.benchmarks.sasrec import (
    PADDING,
    Batch,
    Loss,
    Sasrec,
    SasrecConfig,
    batches,
)

ENTITIES = 9


def config(loss: Loss = Loss.SOFTMAX, *, length: int = 6, batch: int = 4) -> SasrecConfig:
    return SasrecConfig(
        length=length, loss=loss, batch=batch, d_model=16, mlp_hidden=16, dropout=0.0
    )


def first_batch(histories: list[list[int]], of: SasrecConfig) -> Batch:
    arrays = [np.array(history, np.int64) for history in histories]
    return next(batches(arrays, of, ENTITIES, np.random.default_rng(0)))


@given(st.lists(st.lists(st.integers(0, ENTITIES - 1), min_size=2, max_size=12), min_size=1))
def test_a_pass_has_every_history_once_and_a_token_for_each_next_entity(
    histories: list[list[int]],
) -> None:
    arrays = [np.array(history, np.int64) for history in histories]
    drawn = batches(arrays, config(), ENTITIES, np.random.default_rng(0))
    one_pass = list(islice(drawn, -(-len(histories) // 4)))
    assert sum(len(batch.entity_BL) for batch in one_pass) == len(histories)
    assert sum(batch.tokens for batch in one_pass) == sum(min(len(h) - 1, 6) for h in histories)
    for batch in one_pass:
        both = (batch.entity_BL != PADDING) == (batch.next_BL != PADDING)
        assert both.all()


def test_the_newest_interactions_stay_and_each_predicts_the_one_after_it() -> None:
    batch = first_batch([[0, 1, 2, 3, 4, 5, 6, 7]], config())
    assert batch.entity_BL.tolist() == [[2, 3, 4, 5, 6, 7]]
    assert batch.next_BL.tolist() == [[3, 4, 5, 6, 7, 8]]


def test_padding_changes_no_position_that_is_none() -> None:
    torch.manual_seed(0)
    model = Sasrec(config(), ENTITIES).eval()
    alone = first_batch([[3, 1, 4]], config())
    hidden_BLD = model(alone.entity_BL)
    filled = alone.entity_BL.clone()
    filled[:, 2:] = 7
    assert torch.allclose(hidden_BLD[:, :2], model(filled)[:, :2], atol=1e-6)


def test_leaving_padding_out_of_the_softmax_is_the_same_loss() -> None:
    torch.manual_seed(0)
    model = Sasrec(config(), ENTITIES)
    batch = first_batch([[3, 1, 4], [2, 7, 1, 8, 2]], config())
    every, real = (model.loss(batch, of) for of in (Loss.SOFTMAX, Loss.SOFTMAX_UNPADDED))
    assert every.item() == pytest.approx(real.item(), abs=1e-6)


@pytest.mark.parametrize("loss", Loss)
def test_it_learns_what_always_follows(loss: Loss) -> None:
    """A peer that does not learn would be no peer."""
    torch.manual_seed(0)
    of = config(loss, batch=8)
    circles = [np.arange(begin, begin + 7, dtype=np.int64) % ENTITIES for begin in range(8)]
    model = Sasrec(of, ENTITIES)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for batch in islice(batches(circles, of, ENTITIES, np.random.default_rng(0)), 60):
        optimizer.zero_grad()
        model.loss(batch, loss).backward()
        optimizer.step()
    batch = first_batch([[3, 4, 5, 6]], of)
    scores_E = model(batch.entity_BL)[0, 2] @ model.entity.weight.T
    assert int(scores_E[1:].argmax()) == 6
