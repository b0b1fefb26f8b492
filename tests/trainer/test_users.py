import numpy as np
from factories import START_MS, play, rate
from trainer.factories_trainer import logged, replayed

from pagecast.featurestore.encoding import encode_prompt
from pagecast.featurestore.fold import FoldConfig
from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.trainer.config import EngagementConfig
from pagecast.trainer.data import Dataset
from pagecast.trainer.replay import replay
from pagecast.trainer.users import UserColumns, columns, prompt_at, windows


def test_one_window_encodes_the_prompts_of_all_its_cuts(dataset: Dataset) -> None:
    """The first c + 2 positions are what the server encodes at cut c."""
    user = dataset.users[0]
    (window,) = windows(0, user, range(10), dataset.catalog, dataset.vocabulary)
    index = dataset.catalog.entity_index
    for cut in range(10):
        encoded = encode_prompt(prompt_at(user, cut, dataset.catalog), dataset.vocabulary)
        assert np.array_equal(window.fields_TF[: cut + 2], encoded.fields_TF)
        expected = [index.get(entity, -1) for entity in encoded.entity_ids]
        assert window.entity_T[: cut + 2].tolist() == expected


def test_a_window_that_dropped_steps_is_another_one(dataset: Dataset) -> None:
    fold = FoldConfig(steps_max=4, evicted_together=2)
    events = [play("u", f"e{i}", START_MS + i * 1000) for i in range(8)]
    user = replay("u", logged(events), fold=fold)
    whole = list(windows(0, user, range(8), dataset.catalog, dataset.vocabulary))
    assert [(w.first, w.cuts_C.tolist()) for w in whole] == [
        (0, [0, 1, 2, 3, 4]),
        (2, [3, 4]),
        (4, [3]),
    ]
    for window in whole:
        for cut in window.cuts_C.tolist():
            prompt = prompt_at(user, window.first + cut, dataset.catalog)
            assert len(prompt.steps) == cut
            encoded = encode_prompt(prompt, dataset.vocabulary)
            assert np.array_equal(window.fields_TF[: cut + 2], encoded.fields_TF)


def test_a_bad_rating_weighs_little_but_not_nothing(catalog: CatalogSnapshot) -> None:
    config = EngagementConfig(rate=1.0, rating_slope=0.6, weight_min=0.1)
    events = [rate("u", "e1", 5.0, START_MS), rate("u", "e2", 1.0, START_MS + 1)]
    (user,) = replayed(logged(events))
    np.testing.assert_allclose(columns(user, catalog, config).weight_N, [2.2, 0.1])


def test_the_next_entities_come_nearest_first_without_repeats() -> None:
    user = UserColumns(
        entity_N=np.array([4, 7, -1, 7, 9, 11, 12]),
        weight_N=np.array([1, 1, 1, 1, 0.5, 1, 0], np.float32),
        at_ms_N=np.arange(7),
        resumable_N=np.zeros(7, np.bool_),
    )
    assert user.next_entities(1, 6) == {7: 1.0, 9: 0.5, 11: 1.0}
    assert list(user.next_entities(1, 6, 2)) == [7, 9]
    assert list(user.next_entities(1, 4)) == [7, 9]
