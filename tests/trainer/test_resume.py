"""A training that is killed and resumed equals one that was not."""

import dataclasses
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from structlog.testing import capture_logs
from trainer.children import child, lines
from trainer.factories_trainer import SMALL

from pagecast.featurestore.state import StatePaths
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.fitting.checkpoint import Checkpoint, CheckpointError, Checkpoints
from pagecast.trainer.fitting.fit import FitProgress, FitResult, fit
from pagecast.trainer.fitting.processes import Processes
from pagecast.trainer.fitting.run import Run
from pagecast.trainer.fitting.threads import threads
from pagecast.trainer.pages.constructed import PageBuilder

BRIEF = dataclasses.replace(SMALL, epochs=3.0, dropout=0.1, checkpoint_every_s=0.0)

LONGER = dataclasses.replace(BRIEF, epochs=10.0)
"""Seconds are left, after a kill in its first half, before it would have ended by itself."""


class InterruptedFitError(Exception):
    """Ends a training between two steps."""


def interrupted(
    dataset: Dataset, builder: PageBuilder, folder: Path, step: int, config: TrainConfig = BRIEF
) -> None:
    def stop(at: FitProgress) -> None:
        if at.step == step:
            raise InterruptedFitError

    with pytest.raises(InterruptedFitError):
        fit(dataset, builder, config, stop, folder)


def weights(result: FitResult) -> bytes:
    return save(result.model.state_dict())


@pytest.fixture(scope="module")
def undisturbed(dataset: Dataset, builder: PageBuilder) -> FitResult:
    return fit(dataset, builder, BRIEF)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """The order of sums depends on the number of threads, and the last bits on that."""
    with threads(1):
        yield


def killed(step: int, *arguments: object) -> None:
    """Kills a training in a process of its own soon after it has said that step."""
    with child("child_fit.py", *arguments) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line.split()[0]) >= step:
                break
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


@pytest.mark.faults
def test_a_training_killed_at_random_moments_ends_with_the_same_bytes(
    world: StatePaths, dataset: Dataset, builder: PageBuilder, tmp_path: Path
) -> None:
    """Checkpoints are written at every step, so that a kill may hit one being written."""
    arguments = (world.root, tmp_path / "weights", LONGER.epochs, LONGER.dropout, tmp_path / "kept")
    seed = random.randrange(1000)
    undisturbed = fit(dataset, builder, LONGER)
    kills = sorted(random.Random(seed).sample(range(2, undisturbed.steps // 2), 2))
    for step in kills:
        killed(step, *arguments)
    with child("child_fit.py", *arguments) as process:
        rest = [int(line.split()[0]) for line in lines(process)]
    assert kills[-1] < rest[0], f"seed {seed}"
    assert rest == list(range(rest[0], undisturbed.steps + 1)), f"seed {seed}"
    assert (tmp_path / "weights").read_bytes() == weights(undisturbed), f"seed {seed}"


@pytest.mark.parametrize(
    "step", [1, 5, 6], ids=["the first", "an epoch's last", "an epoch's first"]
)
def test_what_is_resumed_ends_like_what_was_not(
    dataset: Dataset, builder: PageBuilder, tmp_path: Path, undisturbed: FitResult, step: int
) -> None:
    interrupted(dataset, builder, tmp_path, step)
    resumed = fit(dataset, builder, BRIEF, checkpoint=tmp_path)
    assert undisturbed.steps / undisturbed.epochs == 5, "the parameters above are right"
    assert weights(resumed) == weights(undisturbed)
    told = ("steps", "entity_loss", "row_loss", "padding")
    assert all(getattr(resumed, name) == getattr(undisturbed, name) for name in told)


def test_the_time_before_counts(dataset: Dataset, builder: PageBuilder, tmp_path: Path) -> None:
    interrupted(dataset, builder, tmp_path, 2)
    kept = Checkpoint.from_bytes(Checkpoints(tmp_path).newest())
    spent = dataclasses.replace(kept.facts, seconds=BRIEF.budget_minutes * 60.0)
    Checkpoints(tmp_path).write(dataclasses.replace(kept, facts=spent))
    assert fit(dataset, builder, BRIEF, checkpoint=tmp_path).steps == 2


def test_a_finished_training_is_not_trained_again(
    dataset: Dataset, builder: PageBuilder, tmp_path: Path, undisturbed: FitResult
) -> None:
    rarely = dataclasses.replace(BRIEF, checkpoint_every_s=3600.0)
    fit(dataset, builder, rarely, checkpoint=tmp_path)
    seen: list[FitProgress] = []
    again = fit(dataset, builder, rarely, seen.append, tmp_path)
    assert seen == []
    assert weights(again) == weights(undisturbed)


def test_checkpoints_are_as_far_apart_as_configured(
    dataset: Dataset, builder: PageBuilder, tmp_path: Path
) -> None:
    rarely = dataclasses.replace(BRIEF, checkpoint_every_s=3600.0)
    interrupted(dataset, builder, tmp_path, 4, rarely)
    assert Checkpoints(tmp_path).newest() == b""


def test_another_config_is_refused_by_name(
    dataset: Dataset, builder: PageBuilder, tmp_path: Path
) -> None:
    interrupted(dataset, builder, tmp_path, 1)
    other = dataclasses.replace(BRIEF, learning_rate=0.5)
    with pytest.raises(CheckpointError, match=r"config\.learning_rate was 0\.01 and is 0\.5"):
        fit(dataset, builder, other, checkpoint=tmp_path)


def test_a_damaged_checkpoint_costs_a_step_and_is_told(
    dataset: Dataset, builder: PageBuilder, tmp_path: Path, undisturbed: FitResult
) -> None:
    interrupted(dataset, builder, tmp_path, 3)
    newest = max(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    seen: list[FitProgress] = []
    with capture_logs() as logs:
        resumed = fit(dataset, builder, BRIEF, seen.append, tmp_path)
    assert "checkpoint_damaged" in [log["event"] for log in logs]
    assert seen[0].step == 3, "it went on from the second"
    assert weights(resumed) == weights(undisturbed)


def test_a_checkpoint_that_finds_no_room_does_not_end_the_training(
    dataset: Dataset, builder: PageBuilder, tmp_path: Path, undisturbed: FitResult
) -> None:
    (tmp_path / "file").touch()
    with capture_logs() as logs:
        result = fit(dataset, builder, BRIEF, checkpoint=tmp_path / "file" / "in-a-file")
    assert {log["event"] for log in logs} == {"checkpoint_not_written"}
    assert weights(result) == weights(undisturbed)


def test_a_weight_that_never_had_a_gradient_is_kept_without_a_state(
    dataset: Dataset, builder: PageBuilder
) -> None:
    run, resumed = (Run(dataset, builder, BRIEF, Processes()) for _ in range(2))
    for one in (run, resumed):
        one.model.tower.input.key.bias.requires_grad_(False)
    run.step()
    kept = Checkpoint.from_bytes(run.checkpoint().to_bytes())
    assert "adamw.step.tower.input.key.bias" not in kept.tensors
    assert "adamw.step.tower.input.key.weight" in kept.tensors
    resumed.resume(kept)
    for one in (run, resumed):
        torch.set_rng_state(kept.tensors["generator.dropout_WN"][0].clone())
        one.step()
    assert save(resumed.model.state_dict()) == save(run.model.state_dict())
