import numpy as np
import torch
from factories import START_MS, play
from trainer.factories_trainer import SMALL, logged, replayed

from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.trainer.config import EngagementConfig
from pagecast.trainer.data import Dataset
from pagecast.trainer.model import PageModel
from pagecast.trainer.predict import OPENINGS_TOGETHER, Prediction, predictions
from pagecast.trainer.users import columns


def predicted(
    dataset: Dataset, catalog: CatalogSnapshot, entities: list[tuple[str, int]], known: int
) -> list[Prediction]:
    events = logged([play("u", entity, START_MS + at) for entity, at in entities])
    users = replayed(events, known={("log", 0): known})
    by_user = [columns(user, catalog, EngagementConfig()) for user in users]
    torch.manual_seed(0)
    model = PageModel(SMALL.model, dataset.vocabulary)
    return list(predictions(model, dataset.vocabulary, catalog, users, by_user))


def test_steps_of_one_moment_are_predicted_once_together(
    dataset: Dataset, catalog: CatalogSnapshot
) -> None:
    steps = [("e1", 0), ("e2", 1), ("e3", 1), ("e4", 2)]
    together, alone = predicted(dataset, catalog, steps, known=1)
    index = catalog.entity_index
    assert together.targets == [index["e2"], index["e3"]]
    assert alone.targets == [index["e4"]]
    assert np.flatnonzero(together.seen_N).tolist() == [index["e1"]]
    assert np.flatnonzero(alone.seen_N).tolist() == sorted(index[e] for e in ("e1", "e2", "e3"))


def test_a_moment_that_began_before_the_known_positions_is_cut_at_its_beginning(
    dataset: Dataset, catalog: CatalogSnapshot
) -> None:
    (prediction,) = predicted(dataset, catalog, [("e1", 0), ("e2", 1), ("e3", 1)], known=2)
    assert prediction.targets == [catalog.entity_index["e3"]]
    assert np.flatnonzero(prediction.seen_N).tolist() == [catalog.entity_index["e1"]]


def test_a_long_history_is_predicted_in_parts(dataset: Dataset, catalog: CatalogSnapshot) -> None:
    count = OPENINGS_TOGETHER + 20
    steps = [(f"e{i % 36}", i * 1000) for i in range(count)]
    whole = predicted(dataset, catalog, steps, known=0)
    assert len(whole) == count
    last = predicted(dataset, catalog, steps, known=count - 1)
    np.testing.assert_allclose(whole[-1].score_N, last[0].score_N, atol=1e-5)
