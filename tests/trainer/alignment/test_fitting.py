"""The loop that trains a reward model."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from pagecast.trainer.alignment.config import RewardModelConfig
from pagecast.trainer.alignment.fitting import fit_model


def test_weights_decay_on_matrices_alone() -> None:
    """Nothing is to be learned: what moves is what decays."""
    model = nn.Sequential(nn.Linear(2, 2), nn.RMSNorm(2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)

    def loss(_chosen: npt.NDArray[np.int64]) -> Tensor:
        return model(torch.ones(1, 2)).sum() * 0.0

    config = RewardModelConfig(steps_max=3, weight_decay=0.5, learning_rate=0.1)
    fit_model(model, np.ones(8), loss, config, "learning_rate")
    moved = {name: bool((p != 1.0).all()) for name, p in model.named_parameters()}
    assert moved == {"0.weight": True, "0.bias": False, "1.weight": False}


def test_an_epoch_has_a_page_as_often_as_it_weighs() -> None:
    model, seen = nn.Linear(1, 1), np.zeros(40)

    def loss(chosen: npt.NDArray[np.int64]) -> Tensor:
        seen[chosen] += 1
        return model(torch.ones(1, 1)).sum()

    weight_N = np.array([1.0] * 20 + [0.25] * 20)
    config = RewardModelConfig(epochs=40.0, steps_max=1000, pages_per_batch=5)
    fit_model(model, weight_N, loss, config, "learning_rate")
    assert np.ptp(seen[:20]) <= 1, "each page that weighs all, in every epoch"
    assert seen[20:].mean() / seen[:20].mean() == pytest.approx(0.25, abs=0.04)
