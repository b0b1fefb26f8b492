from pathlib import Path

import pytest
from trainer.factories_checkpoint import checkpoint_of

from pagecast.featurestore.trainings.records import Pinned
from pagecast.trainer.fitting.checkpoint import CheckpointError, Checkpoints
from pagecast.trainer.fitting.processes import Processes
from pagecast.trainer.fitting.training_folder import FolderInUseError, TrainingFolder
from pagecast.trainer.semantic.teaching import FOLDER

GIVEN = Pinned(until={("log", 0): 7, ("log", 1): 2**40}, catalog_number=44, base_version="v1")


def folder_at(path: Path) -> TrainingFolder:
    return TrainingFolder(path, Processes())


def interrupted(path: Path) -> None:
    with folder_at(path).held() as folder:
        folder.begin(lambda: GIVEN, resume=False)
        Checkpoints(path).write(checkpoint_of(3))


def never() -> Pinned:
    raise AssertionError("the data were chosen again")


def test_a_resumed_training_has_the_data_it_began_with(tmp_path: Path) -> None:
    interrupted(tmp_path)
    with folder_at(tmp_path).held() as folder:
        assert folder.begin(never, resume=True) == GIVEN
    assert Checkpoints(tmp_path).newest()


def test_a_training_that_is_not_resumed_removes_what_it_finds(tmp_path: Path) -> None:
    interrupted(tmp_path)
    with folder_at(tmp_path).held() as folder:
        assert folder.begin(lambda: Pinned(until=None), resume=False) == Pinned(until=None)
    assert not Checkpoints(tmp_path).newest()


def test_a_training_that_is_over_leaves_no_checkpoint(tmp_path: Path) -> None:
    interrupted(tmp_path)
    Checkpoints(tmp_path / FOLDER).write(checkpoint_of(3))
    with folder_at(tmp_path).held() as folder:
        folder.clear()
    assert list(tmp_path.rglob("step-*")) == []


def test_nothing_to_resume_begins_anew(tmp_path: Path) -> None:
    with folder_at(tmp_path / "new").held() as folder:
        assert folder.begin(lambda: GIVEN, resume=True) == GIVEN


def test_a_training_without_a_checkpoint_yet_begins_anew_with_new_data(tmp_path: Path) -> None:
    with folder_at(tmp_path).held() as folder:
        folder.begin(lambda: GIVEN, resume=False)
        later = Pinned(until={("log", 0): 9})
        assert folder.begin(lambda: later, resume=True) == later


def test_one_that_was_still_learning_its_codes_is_resumed(tmp_path: Path) -> None:
    with folder_at(tmp_path).held() as folder:
        folder.begin(lambda: GIVEN, resume=False)
        Checkpoints(tmp_path / FOLDER).write(checkpoint_of(3))
    with folder_at(tmp_path).held() as folder:
        assert folder.begin(never, resume=True) == GIVEN
    assert Checkpoints(tmp_path / FOLDER).newest()


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
