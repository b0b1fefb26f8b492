"""An interrupted run does not repeat the trainings it has done."""

from pathlib import Path

import pytest
from cli.bench.align.factories_arena import EFFORT, arena
from safetensors.torch import save

from pagecast.cli.bench.align.folder import open_folder
from pagecast.cli.bench.align.trainings import KeptTrainings
from pagecast.cli.bench.align.workshop import Workshop
from pagecast.cli.exits import InputError
from pagecast.trainer.job import Trained
from pagecast.trainer.pages.shown import Shown
from pagecast.trainer.starts.base import Base, Start


class Heard:
    """What was told of, each thing once."""

    def __init__(self) -> None:
        self.what: list[str] = []

    def __call__(self, what: str, _share: float) -> None:
        if what not in self.what:
            self.what.append(what)


def shop(folder: Path, kept: KeptTrainings, heard: Heard) -> Workshop:
    return Workshop(arena(), 1, EFFORT, folder, kept=kept, told=heard)


def post_trained(made: Workshop) -> Trained:
    base = Base(
        model=made.pretrained({}).model, vocabulary=made.pretrained({}).vocabulary, positions={}
    )
    config = made.config({"post.share": 0.5})
    return made.post_trained(made.data.snapshot, config, Shown(), Start(base=base))


def weights(trained: Trained) -> bytes:
    return save({name: t.clone() for name, t in trained.model.state_dict().items()})


def test_a_training_that_was_done_is_not_done_again(tmp_path: Path) -> None:
    first, again, folder = Heard(), Heard(), tmp_path / "kept"
    made = post_trained(shop(tmp_path, KeptTrainings(folder), first))
    assert first.what == ["pretraining", "post-training"]
    assert weights(post_trained(shop(tmp_path, KeptTrainings(folder), again))) == weights(made)
    assert again.what == []


def test_what_a_cell_alone_needed_goes_with_it_and_pretraining_stays(tmp_path: Path) -> None:
    kept, heard = KeptTrainings(tmp_path / "kept"), Heard()
    post_trained(shop(tmp_path, kept, Heard()))
    kept.cell_done()
    post_trained(shop(tmp_path, kept, heard))
    assert heard.what == ["post-training"]


def test_trainings_of_other_settings_do_not_share_a_place(tmp_path: Path) -> None:
    kept = KeptTrainings(tmp_path)
    assert kept.shared("a", 1) != kept.shared("a", 2) != kept.shared("b", 2)
    assert KeptTrainings().shared("a", 1) is None


def test_a_folder_of_another_run_is_refused_by_what_differs(tmp_path: Path) -> None:
    open_folder(tmp_path / "run", {"commit": "c"})
    with pytest.raises(InputError, match=r"--out: .*run is of commit 'c', this run of 'd'"):
        open_folder(tmp_path / "run", {"commit": "d"})
