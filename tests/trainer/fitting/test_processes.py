"""Two processes on loopback train what one would."""

import json
import math
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor
from trainer.child_group import BRIEF, DROPPED, LONELY, POST
from trainer.children import group
from trainer.factories_trainer import page_builder

from pagecast.featurestore.state import StatePaths
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.fitting.fit import FitProgress, fit
from pagecast.trainer.fitting.processes import Processes

Group = tuple[list[list[str]], Path]


@pytest.fixture(scope="module")
def together(world: StatePaths, tmp_path_factory: pytest.TempPathFactory) -> Group:
    """What two processes said, and the folder of what they wrote."""
    folder = tmp_path_factory.mktemp("together")
    return group("child_group.py", world.root, folder, count=2), folder


def weights(path: Path) -> dict[str, Tensor]:
    return load(path.read_bytes())


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Largest of any weight that does something.

    The bias of the tower's keys is added to both candidates' scores and cancels in the softmax:
    its gradient is rounding, which Adam makes steps of.
    """
    assert one.keys() == other.keys()
    names = [name for name in one if not name.endswith(".key.bias")]
    return max(float((one[name] - other[name]).abs().max()) for name in names)


def alone(data: Dataset, config: TrainConfig) -> tuple[dict[str, Tensor], list[FitProgress]]:
    seen: list[FitProgress] = []
    result = fit(data, page_builder(data, config), config, seen.append)
    return load(save(result.model.state_dict())), seen


def test_two_processes_have_the_losses_and_weights_of_one(
    dataset: Dataset, together: Group
) -> None:
    said, folder = together
    expected, seen = alone(dataset, BRIEF)
    told = [[float(value) for value in line.split()] for line in said[0][:-1]]
    assert len(told) == len(seen)
    for (step, entity_loss, row_loss, padding), at in zip(told, seen, strict=True):
        assert step == at.step
        assert entity_loss == pytest.approx(at.entity_loss, rel=1e-5)
        assert row_loss == pytest.approx(at.row_loss, rel=1e-5)
        assert padding <= at.padding + 1e-9, "a share is padded to its own longest window"
    assert difference(weights(folder / "0" / "brief"), expected) < 1e-4


def test_both_end_with_the_same_bytes(together: Group) -> None:
    _, folder = together
    for name in ("brief", "lonely", "post", "whole"):
        assert (folder / "0" / name).read_bytes() == (folder / "1" / name).read_bytes()


def test_two_processes_post_train_what_one_would(dataset: Dataset, together: Group) -> None:
    expected, seen = alone(dataset, POST)
    assert math.isfinite(seen[-1].value_loss)
    assert difference(weights(together[1] / "0" / "post"), expected) < 1e-4


def test_a_process_without_a_window_steps_along(dataset: Dataset, together: Group) -> None:
    expected, _ = alone(dataset, LONELY)
    assert difference(weights(together[1] / "1" / "lonely"), expected) < 1e-4


def test_resumed_together_they_end_with_the_same_bytes(together: Group) -> None:
    """Each has a generator of its own for dropout, and goes on with it."""
    _, folder = together
    for rank in ("0", "1"):
        whole, resumed = (folder / rank / name for name in ("whole", "resumed"))
        assert whole.read_bytes() == resumed.read_bytes()


def test_dropout_differs_between_processes(dataset: Dataset, together: Group) -> None:
    expected, _ = alone(dataset, DROPPED)
    assert difference(weights(together[1] / "0" / "whole"), expected) > 1e-3


def test_only_the_first_says_and_keeps_anything(together: Group) -> None:
    said, folder = together
    assert len(said[1]) == 1, "the refusal below"
    assert len(list((folder / "0" / "checkpoints").iterdir())) == 1
    assert not (folder / "1" / "checkpoints").exists()


def test_different_trainings_are_refused_by_every_process(together: Group) -> None:
    said, _ = together
    assert said[0][-1].endswith("must be given the same: another one was given something else")
    assert said[1][-1].endswith("must be given the same: config.seed was 0 and is 1")


def test_gradients_are_sums_and_what_nobody_has_stays_none(together: Group) -> None:
    for rank in ("0", "1"):
        told = json.loads((together[1] / rank / "gradients").read_text())
        assert told == [[3.0, 30.0], [5.0, 6.0], None]


def test_rows_of_tables_are_summed_where_any_process_has_them(together: Group) -> None:
    for rank in ("0", "1"):
        told = json.loads((together[1] / rank / "sparse").read_text())
        assert told == [[[1.0], [3.0], [0.0], [2.0]], [[0.0], [0.0], [11.0], [0.0]], None]


def test_processes_with_different_entities_keep_one_model(together: Group) -> None:
    folder = together[1]
    assert difference(weights(folder / "0" / "sampled"), weights(folder / "1" / "sampled")) == 0.0


def test_a_process_alone_has_everything_and_waits_for_nobody() -> None:
    processes = Processes()
    weight = torch.nn.Parameter(torch.ones(2))
    processes.sum_gradients([weight])
    assert weight.grad is None
    assert processes.first
    assert [1, 2, 3][processes.share] == [1, 2, 3]
    assert processes.summed({"a": 2.0}) == {"a": 2.0}
    assert processes.gathered(torch.arange(3)).tolist() == [[0, 1, 2]]
    assert processes.from_first(b"own") == b"own"
    assert abs(processes.clock() - time.monotonic()) < 1.0
