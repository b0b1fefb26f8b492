from pathlib import Path

import pytest
from trainer.factories_checkpoint import checkpoint_of

from pagecast.trainer.checkpoint import CheckpointError, Checkpoints
from pagecast.trainer.processes import Processes
from pagecast.trainer.training_folder import FolderInUseError, TrainingFolder

UNTIL = {("log", 0): 7, ("log", 1): 2**40}


def folder_at(path: Path) -> TrainingFolder:
    return TrainingFolder(path, Processes())


def interrupted(path: Path) -> None:
    with folder_at(path).held() as folder:
        folder.begin(lambda: UNTIL, resume=False)
        Checkpoints(path).write(checkpoint_of(3))


def never() -> None:
    raise AssertionError("the data were chosen again")


def test_a_resumed_training_has_the_data_it_began_with(tmp_path: Path) -> None:
    interrupted(tmp_path)
    with folder_at(tmp_path).held() as folder:
        assert folder.begin(never, resume=True) == UNTIL
    assert Checkpoints(tmp_path).newest()


def test_a_training_that_is_not_resumed_removes_what_it_finds(tmp_path: Path) -> None:
    interrupted(tmp_path)
    with folder_at(tmp_path).held() as folder:
        assert folder.begin(lambda: None, resume=False) is None
    assert not Checkpoints(tmp_path).newest()


def test_nothing_to_resume_begins_anew(tmp_path: Path) -> None:
    with folder_at(tmp_path / "new").held() as folder:
        assert folder.begin(lambda: UNTIL, resume=True) == UNTIL


def test_a_training_without_a_checkpoint_yet_begins_anew_with_new_data(tmp_path: Path) -> None:
    with folder_at(tmp_path).held() as folder:
        folder.begin(lambda: UNTIL, resume=False)
        assert folder.begin(lambda: {("log", 0): 9}, resume=True) == {("log", 0): 9}


def test_damaged_checkpoints_are_not_removed_by_resuming(tmp_path: Path) -> None:
    interrupted(tmp_path)
    [path] = tmp_path.glob("step-*")
    path.write_bytes(b"")
    with folder_at(tmp_path).held() as folder, pytest.raises(CheckpointError, match="damaged"):
        folder.begin(never, resume=True)
    assert path.exists()


def test_one_training_at_a_time(tmp_path: Path) -> None:
    with (
        folder_at(tmp_path).held(),
        pytest.raises(FolderInUseError, match="another training"),
        folder_at(tmp_path).held(),
    ):
        pass
    with folder_at(tmp_path).held():
        pass
