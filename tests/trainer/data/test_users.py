import numpy as np
from factories import START_MS, play, rate
from google.protobuf.duration_pb2 import Duration
from trainer.factories_trainer import logged, replayed

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.trainer.config import EngagementConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.replay import replay
from pagecast.trainer.data.users import UserColumns, columns, prompt_at, windows
from pagecast.v1 import events_pb2


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


def test_begun_is_what_was_watched_and_not_completed_since(catalog: CatalogSnapshot) -> None:
    """As the server's continue row has it. A rated play is a rating that took time."""

    def stop(entity_id: str, at_s: int, *, completed: bool) -> events_pb2.InteractionEvent:
        event = play("u", entity_id, START_MS + at_s * 1000)
        watched = Duration(seconds=60)
        event.stop.CopyFrom(
            events_pb2.Stop(entity_id=entity_id, watched=watched, completed=completed)
        )
        return event

    events = [
        play("u", "e1", START_MS),
        stop("e1", 60, completed=True),
        play("u", "e2", START_MS + 100_000),
        stop("e2", 160, completed=False),
        rate("u", "e2", 5.0, START_MS + 161_000),
        rate("u", "e3", 5.0, START_MS + 200_000),
        play("u", "e4", START_MS + 300_000),
        play("u", "e1", START_MS + 400_000),
        stop("e2", 500, completed=True),
    ]
    (user,) = replayed(logged(events))
    begun = columns(user, catalog, EngagementConfig()).begun
    index = catalog.entity_index
    begun_until_then = ["", "", "e2", "e2", "e2 e4", "e1 e2 e4", "e1 e4"]
    assert [set(begun(cut).tolist()) for cut in range(len(user.steps) + 1)] == [
        {index[entity] for entity in entities.split()} for entities in begun_until_then
    ]


def test_the_next_entities_come_nearest_first_without_repeats() -> None:
    user = UserColumns(
        entity_N=np.array([4, 7, -1, 7, 9, 11, 12]),
        weight_N=np.array([1, 1, 1, 1, 0.5, 1, 0], np.float32),
        at_ms_N=np.arange(7),
        begins_N=np.zeros(7, np.bool_),
        completes_N=np.zeros(7, np.bool_),
    )
    assert user.next_entities(1, 6) == {7: 1.0, 9: 0.5, 11: 1.0}
    assert list(user.next_entities(1, 6, 2)) == [7, 9]
    assert list(user.next_entities(1, 4)) == [7, 9]
