from pathlib import Path

import pytest

from pagecast.cli.commands.train import Profile
from pagecast.cli.exits import InputError
from pagecast.cli.settings import load_settings
from pagecast.cli.training import train_config
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.profiles import PROFILES


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_command_knows_every_profile() -> None:
    assert {profile.value for profile in Profile} == PROFILES.keys()


@pytest.mark.parametrize("profile", Profile)
def test_settings_take_every_profile(profile: Profile) -> None:
    settings = load_settings(train={"profile": profile})
    assert train_config(None, settings.train.profile).model == PROFILES[profile.value]


def test_settings_refuse_another() -> None:
    with pytest.raises(InputError, match=r"train\.profile"):
        load_settings(train={"profile": "huge"})


def test_without_a_choice_it_is_the_trainers() -> None:
    settings = load_settings()
    assert train_config(settings.train.budget_minutes, settings.train.profile) == TrainConfig()
