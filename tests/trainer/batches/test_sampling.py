"""A sampled softmax estimates the whole one, from a batch's own entities and a few others."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trainer.factories_trainer import SMALL

from pagecast.trainer.batches.batch import PackedBatch
from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.batches.sampling import Narrowed, narrow
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.data.dataset import Dataset, catalog_features, row_ids
from pagecast.trainer.fitting.forward import embed, losses
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.pages.constructed import PageBuilder
from pagecast.trainer.post_training.valued import ValuedPositions

CATALOG = 200


def batch_of(fed: list[int], history: list[int], pages: list[int]) -> PackedBatch:
    """Positions that are fed entities (-1: none), and targets."""

    def targets(entities: list[int]) -> Targets:
        return Targets.of(range(len(entities)), [{e: 1.0} for e in entities], 1.0)

    entity_BL = np.array([fed], np.int64)
    nothing = np.full_like(entity_BL, -1)
    return PackedBatch(
        fields_BTF=np.zeros((1, len(fed), 1), np.int64),
        tail_at_X=np.zeros(0, np.int64),
        tail_fields_XF=np.zeros((0, 1), np.int64),
        old_at_G=np.zeros(0, np.int64),
        old_entity_GM=np.zeros((0, 4), np.int64),
        old_fields_GMF=np.zeros((0, 4, 1), np.int64),
        entity_BL=entity_BL,
        row_BL=nothing,
        position_BL=nothing,
        page_BL=nothing,
        sees_BL=nothing,
        request_BL=nothing,
        row_from_M=np.zeros(0, np.int64),
        row_target_M=np.zeros(0, np.int64),
        row_weight_M=np.zeros(0, np.float32),
        history=targets(history),
        pages=targets(pages),
        values=ValuedPositions().finish(0),
        kinds={},
    )


ENTITIES = st.lists(st.integers(0, CATALOG - 1), min_size=1, max_size=30)


@settings(max_examples=50, deadline=None)
@given(
    fed=st.lists(st.integers(-1, CATALOG - 1), min_size=1, max_size=30),
    history=ENTITIES,
    pages=ENTITIES,
    negatives=st.integers(1, 2 * CATALOG),
    seed=st.integers(0, 99),
)
def test_a_narrowed_batch_is_the_batch_by_other_names(
    fed: list[int], history: list[int], pages: list[int], negatives: int, seed: int
) -> None:
    batch = batch_of(fed, history, pages)
    narrowed = narrow(batch, CATALOG, negatives, np.random.default_rng(seed))
    entity_X = narrowed.entity_X
    own = {*fed, *history, *pages} - {-1}

    def back(index: npt.NDArray[np.int64]) -> list[int]:
        return [-1 if i < 0 else int(entity_X[i]) for i in index.ravel()]

    assert back(narrowed.batch.entity_BL) == fed
    assert back(narrowed.batch.history.entity_K) == history
    assert back(narrowed.batch.pages.entity_K) == pages
    assert len(set(entity_X)) == len(entity_X) == min(len(own) + negatives, CATALOG)
    assert set(entity_X[: len(own)]) == own, "what is drawn is none of the batch's own"
    assert entity_X.min() >= 0
    assert entity_X.max() < CATALOG
    # Each entity stands for so many: together they stand for the catalog.
    assert np.exp(narrowed.offset_X.astype(np.float64)).sum() == pytest.approx(CATALOG, rel=1e-5)


def test_every_other_entity_is_drawn_as_often_as_any() -> None:
    batch = batch_of([3, 7], [3], [11])
    rng = np.random.default_rng(0)
    drawn_E = np.zeros(20)
    rounds = 4000
    for _ in range(rounds):
        drawn_E[narrow(batch, 20, 5, rng).entity_X[3:]] += 1
    own = [3, 7, 11]
    assert not drawn_E[own].any()
    others = np.delete(drawn_E, own)
    expected = rounds * 5 / 17
    assert np.abs(others - expected).max() < 5 * np.sqrt(expected)


def test_the_sum_of_exponentials_is_the_catalogs_in_expectation() -> None:
    """The correction: without it the drawn ones would count for themselves only."""
    score_E = np.random.default_rng(1).normal(size=CATALOG)
    batch, rng = batch_of([3, 7, 9], [3, 20], [11, 7]), np.random.default_rng(0)

    def total(narrowed: Narrowed) -> float:
        return float(np.exp(score_E[narrowed.entity_X] + narrowed.offset_X).sum())

    totals = [total(narrow(batch, CATALOG, 20, rng)) for _ in range(3000)]
    error = np.std(totals) / np.sqrt(len(totals))
    assert np.mean(totals) == pytest.approx(np.exp(score_E).sum(), abs=4 * error)


@torch.no_grad()
def test_with_all_others_drawn_losses_are_those_of_the_whole_softmax(
    dataset: Dataset, builder: PageBuilder
) -> None:
    examples = Examples(dataset, builder, SMALL)
    batch = next(iter(examples.epoch(np.random.default_rng(0))))
    torch.manual_seed(0)
    model = PageModel(SMALL.model, dataset.vocabulary).eval()
    features = catalog_features(dataset.catalog, dataset.vocabulary)
    rows = row_ids(dataset.catalog, dataset.vocabulary)
    whole = losses(model, embed(model, features, rows), batch)
    entities = len(dataset.catalog.entities)
    narrowed = narrow(batch, entities, entities, np.random.default_rng(0))
    some = {name: feature[narrowed.entity_X] for name, feature in features.items()}
    embedded = embed(model, some, rows, torch.from_numpy(narrowed.offset_X))
    found = losses(model, embedded, narrowed.batch)
    for name, loss in dataclasses.asdict(whole).items():
        assert float(getattr(found, name)) == pytest.approx(float(loss), rel=1e-5), name
