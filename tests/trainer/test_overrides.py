import dataclasses

import pytest

from pagecast.trainer.config import ModelConfig, ObjectiveConfig, TrainConfig
from pagecast.trainer.overrides import overridden


def test_nothing_told_otherwise_is_the_config() -> None:
    config = TrainConfig(seed=3, model=ModelConfig(d_model=64))
    assert overridden(config, {}) == config


def test_every_option_of_the_heads_is_a_name_and_a_value() -> None:
    options = {
        "objective.negatives": 256,
        "objective.genres": 0.1,
        "objective.languages": 0.2,
        "model.output_dim": 32,
        "model.conditioned_head": True,
        "seed": 7,
    }
    assert overridden(TrainConfig(), options) == dataclasses.replace(
        TrainConfig(),
        seed=7,
        model=ModelConfig(output_dim=32, conditioned_head=True),
        objective=ObjectiveConfig(negatives=256, genres=0.1, languages=0.2),
    )


@pytest.mark.parametrize("name", ["objective", "objective.genre", "seed.deeper", "no.such", ""])
def test_a_name_of_no_value_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no such value"):
        overridden(TrainConfig(), {name: 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [("model.output_dim", -1), ("objective.negatives", -1), ("epochs", "many")],
)
def test_a_value_that_does_not_fit_is_refused(name: str, value: int | str) -> None:
    with pytest.raises(ValueError, match=name.rpartition(".")[2]):
        overridden(TrainConfig(), {name: value})
