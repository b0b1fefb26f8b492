import dataclasses
import errno
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from structlog.testing import capture_logs
from trainer.factories_checkpoint import checkpoint_of

from pagecast.trainer.fitting import checkpoint as module
from pagecast.trainer.fitting.checkpoint import Checkpoint, CheckpointError, Checkpoints


def step_of(data: bytes) -> int:
    return Checkpoint.from_bytes(data).facts.step


def test_what_is_kept_is_what_is_read() -> None:
    kept = checkpoint_of(7)
    read = Checkpoint.from_bytes(kept.to_bytes())
    assert read.facts == kept.facts
    assert read.tensors.keys() == kept.tensors.keys()
    assert all(torch.equal(read.tensors[name], kept.tensors[name]) for name in kept.tensors)


def test_the_two_newest_are_kept(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path)
    for step in (9, 10, 11):
        folder.write(checkpoint_of(step))
    assert [path.name[-14:] for path in sorted(tmp_path.iterdir())] == [
        "10.safetensors",
        "11.safetensors",
    ]
    assert step_of(folder.newest()) == 11


def test_a_folder_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").newest() == b""


@pytest.mark.parametrize("left", [0, 7, 300, -1])
def test_the_older_one_serves_if_the_newest_is_cut_short_and_that_is_said(
    tmp_path: Path, left: int
) -> None:
    folder = Checkpoints(tmp_path)
    folder.write(checkpoint_of(1))
    newest = folder.write(checkpoint_of(2))
    newest.write_bytes(newest.read_bytes()[:left])
    with capture_logs() as logs:
        assert step_of(folder.newest()) == 1
    assert [(log["event"], log["path"]) for log in logs] == [("checkpoint_damaged", str(newest))]


def test_a_damaged_one_of_a_later_step_does_not_outlive_the_next_write(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path)
    for step in (1, 9):
        folder.write(checkpoint_of(step)).touch()
    (tmp_path / "step-000000000009.safetensors").write_bytes(b"")
    folder.write(checkpoint_of(5))
    assert step_of(folder.newest()) == 5
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_of_damaged_ones_is_refused(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path)
    path = folder.write(checkpoint_of(1))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=rf"{path.name}: damaged"):
        folder.newest()


def test_tensors_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"not of this format: 'pagecast\.checkpoint\.1'"):
        Checkpoint.from_bytes(save({"model.weight": torch.zeros(2)}))


def test_a_fact_of_another_type_is_refused() -> None:
    kept = checkpoint_of(1)
    odd = dataclasses.replace(kept.facts, step="one")  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="step"):
        Checkpoint.from_bytes(dataclasses.replace(kept, facts=odd).to_bytes())


def test_a_write_that_fails_leaves_the_older_one_and_nothing_half_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Checkpoints(tmp_path)
    folder.write(checkpoint_of(1))

    def full(self: Checkpoint) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.Checkpoint, "to_bytes", full)
    with pytest.raises(OSError, match="No space"):
        folder.write(checkpoint_of(2))
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 1
    assert step_of(folder.newest()) == 1


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path)
    folder.write(checkpoint_of(1))
    (tmp_path / ".step-000000000002.safetensors.77.0.tmp").write_bytes(b"half")
    assert step_of(folder.newest()) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_cleared_folder_holds_none(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path)
    folder.write(checkpoint_of(1))
    folder.clear()
    assert folder.newest() == b""
