import dataclasses

import pytest
from pydantic import JsonValue
from trainer.factories_trainer import SMALL, page_builder

from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset, build_dataset
from pagecast.trainer.fitting.identity import differences, identity_of


def identity(
    data: Dataset, config: TrainConfig = SMALL, processes: int = 1
) -> dict[str, JsonValue]:
    windows = Examples(data, page_builder(data, config), config)
    return identity_of(config, data, windows, processes)


def test_the_same_training_is_the_same(dataset: Dataset) -> None:
    assert differences(identity(dataset), identity(dataset)) == ""


def test_another_config_is_told_by_name(dataset: Dataset) -> None:
    wider = dataclasses.replace(SMALL, seed=4, model=dataclasses.replace(SMALL.model, layers=3))
    told = differences(identity(dataset), identity(dataset, wider))
    assert told == "config.model.layers was 1 and is 3, config.seed was 0 and is 4"


@pytest.mark.parametrize(
    "changed",
    [{"threads": 2}, {"recompute": True}, {"checkpoint_every_s": 1.0}, {"gate_users_min": 1}],
    ids=str,
)
def test_how_a_training_computes_and_is_judged_is_no_difference(
    dataset: Dataset, changed: dict[str, int]
) -> None:
    config = dataclasses.replace(SMALL, **changed)  # type: ignore[arg-type]
    assert differences(identity(dataset), identity(dataset, config)) == ""


def test_less_data_is_told(dataset: Dataset) -> None:
    less = build_dataset(dataset.catalog, dataset.users[1:], SMALL.engagement)
    told = differences(identity(dataset), identity(less))
    windows = len(dataset.users)
    assert f"data.windows was {windows} and is {windows - 1}" in told
    assert "data.vocabulary was" in told


def test_other_steps_of_as_many_windows_are_told(dataset: Dataset) -> None:
    swapped = (dataset.users[1], dataset.users[0], *dataset.users[2:])
    other = build_dataset(dataset.catalog, swapped, SMALL.engagement)
    told = differences(identity(dataset), identity(other))
    assert told.startswith("data.steps was")
    assert "data.windows" not in told


def test_another_number_of_processes_is_told(dataset: Dataset) -> None:
    told = differences(identity(dataset), identity(dataset, processes=2))
    assert told == "processes was 1 and is 2"


def test_only_the_first_of_many_differences_are_told() -> None:
    told = differences({str(n): 0 for n in range(11)}, {str(n): 1 for n in range(11)})
    assert told.startswith("0 was 0 and is 1, ")
    assert told.endswith(", 3 more")
