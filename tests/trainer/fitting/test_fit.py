import dataclasses
import time

import numpy as np
import pytest
from trainer.factories_trainer import SMALL

from pagecast.trainer.config import EngagementConfig, ModelConfig, TrainConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.fitting.fit import FitProgress, fit
from pagecast.trainer.pages.constructed import PageBuilder


def test_both_losses_fall(dataset: Dataset, builder: PageBuilder) -> None:
    seen: list[FitProgress] = []
    result = fit(dataset, builder, dataclasses.replace(SMALL, epochs=4.0), seen.append)
    assert seen[-1].entity_loss < seen[0].entity_loss
    assert seen[-1].row_loss < seen[0].row_loss
    assert result.entity_loss == seen[-1].entity_loss
    assert not result.model.training


def test_progress_counts_up_to_the_end(dataset: Dataset, builder: PageBuilder) -> None:
    seen: list[FitProgress] = []
    result = fit(dataset, builder, dataclasses.replace(SMALL, epochs=1.0), seen.append)
    assert [at.step for at in seen] == list(range(1, result.steps + 1))
    assert seen[-1].share_done == 1.0
    assert seen[-1].eta_s == 0.0
    assert all(at.examples_per_second > 0 for at in seen)


def test_the_loop_stops_when_its_time_is_up(dataset: Dataset, builder: PageBuilder) -> None:
    config = dataclasses.replace(SMALL, epochs=1e6, budget_minutes=0.02)
    result = fit(dataset, builder, config)
    assert result.epochs < 100
    assert 1.2 <= result.seconds < 6.0


def test_a_budget_of_cpu_time_does_not_run_while_the_training_waits(
    dataset: Dataset, builder: PageBuilder
) -> None:
    told = {"epochs": 1e6, "budget_minutes": 0.01, "budget_clock": "cpu", "threads": 1}
    config = dataclasses.replace(SMALL, **told)
    began_s = time.monotonic()
    result = fit(dataset, builder, config, lambda _: time.sleep(0.02))
    assert result.seconds >= 0.6
    assert result.seconds + 0.02 * result.steps <= time.monotonic() - began_s


def test_the_loop_stops_after_so_many_steps_with_its_schedule_at_its_end(
    dataset: Dataset, builder: PageBuilder
) -> None:
    seen: list[FitProgress] = []
    fit(dataset, builder, dataclasses.replace(SMALL, epochs=1e6, steps_max=3), seen.append)
    assert [at.step for at in seen] == [1, 2, 3]
    assert seen[-1].share_done == 1.0


def test_heads_must_share_evenly() -> None:
    with pytest.raises(ValueError, match="query_heads must be a multiple of kv_heads"):
        ModelConfig(query_heads=3, kv_heads=2)


def test_a_config_is_told_as_json() -> None:
    told = TrainConfig(engagement=EngagementConfig(rate=2.0)).to_json()
    assert told["engagement"] == {**told["engagement"], "rate": 2.0}  # type: ignore[dict-item]
    assert np.isclose(float(told["budget_minutes"]), TrainConfig().budget_minutes)  # type: ignore[arg-type]
