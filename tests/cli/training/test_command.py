from dataclasses import replace
from pathlib import Path

import pytest
from trainer.factories_checkpoint import checkpoint_of
from trainer.factories_trainer import DAY_MS, START_MS, logged, walk, write_state
from typer.testing import CliRunner

from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.main import app
from pagecast.cli.settings import load_settings
from pagecast.cli.training import model
from pagecast.cli.training.choices import Align, Profile
from pagecast.cli.training.config import config_of, train_config
from pagecast.cli.training.job import Data, opened_job
from pagecast.featurestore.offline import OfflineLog
from pagecast.trainer.alignment.config import RECIPES, FormatConfig
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.fitting.checkpoint import Checkpoints
from pagecast.trainer.job import Progress, TrainJob
from pagecast.trainer.profiles import PROFILES
from pagecast.trainer.starts.beginning import Beginning


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


def test_settings_say_where_pages_come_from() -> None:
    assert config_of(load_settings()).pages_from == TrainConfig().pages_from
    assert config_of(load_settings(train={"pages_from": "both"})).pages_from == "both"
    with pytest.raises(InputError, match=r"train\.pages_from"):
        load_settings(train={"pages_from": "nowhere"})


def test_settings_say_how_many_users_the_gate_asks() -> None:
    assert config_of(load_settings()).gate_users_min == TrainConfig().gate_users_min
    assert config_of(load_settings(train={"gate_users_min": 5})).gate_users_min == 5
    with pytest.raises(InputError, match=r"train\.gate_users_min"):
        load_settings(train={"gate_users_min": 0})


class StopError(RuntimeError):
    """Ends a training before it begins."""


def job_of(monkeypatch: pytest.MonkeyPatch, *options: str) -> TrainJob:
    """What `pagecast train` would train on."""
    jobs: list[TrainJob] = []

    def remember(job: TrainJob, progress: Progress) -> None:
        jobs.append(job)
        raise StopError

    monkeypatch.setattr(model, "train", remember)
    result = CliRunner().invoke(app, ["train", "--state-dir", "state", *options])
    assert isinstance(result.exception, StopError), result.output
    return jobs[0]


def test_resume_keeps_checkpoints_and_data_though_events_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_state(tmp_path / "state", logged(walk(1)))
    first = job_of(monkeypatch, "--hold-out", "0.5")
    assert first.until is not None
    assert first.checkpoint is not None
    Checkpoints(first.checkpoint).write(checkpoint_of(3))
    OfflineLog(paths.offline).append(
        logged([*walk(1), *walk(2, begin_ms=START_MS + 30 * DAY_MS)])[len(walk(1)) :]
    )
    resumed = job_of(monkeypatch, "--hold-out", "0.5", "--resume", "--profile", "small")
    assert (resumed.until, resumed.checkpoint) == (first.until, first.checkpoint)
    assert Checkpoints(first.checkpoint).newest()
    assert resumed.config.model == PROFILES["small"]
    anew = job_of(monkeypatch, "--hold-out", "0.5")
    assert anew.until != first.until
    assert not Checkpoints(first.checkpoint).newest()


def test_once_it_is_done_its_checkpoints_are_gone(tmp_path: Path) -> None:
    paths = write_state(tmp_path / "state", logged(walk(1)))
    settings, data = load_settings(state_dir=paths.root), Data(hold_out=0.5, resume=False)
    with pytest.raises(StopError), opened_job(settings, paths, Beginning(), data):
        Checkpoints(paths.training).write(checkpoint_of(3))
        raise StopError
    assert Checkpoints(paths.training).newest()
    with opened_job(settings, paths, Beginning(), replace(data, resume=True)):
        assert Checkpoints(paths.training).newest()
    assert not Checkpoints(paths.training).newest()


def test_align_takes_its_recipe_and_what_is_set() -> None:
    settings = load_settings(train={"align": {"steps": 3, "critical_rows": ["news"]}})
    config = settings.train.align.config(Align.GRPO_SR.value)
    assert config == replace(
        RECIPES["grpo-sr"], steps=3, format=FormatConfig(critical_rows=("news",))
    )
    assert {recipe.value for recipe in Align} <= RECIPES.keys()


def test_align_takes_the_reward_models_rates() -> None:
    """By the names that their errors tell."""
    told = {"learning_rate": 1e-5, "preference_learning_rate": 1e-4}
    settings = load_settings(train={"align": {"reward": told}})
    config = settings.train.align.config(Align.DR_GRPO.value).reward
    assert (config.learning_rate, config.preference_learning_rate) == (1e-5, 1e-4)
    broken = load_settings(train={"align": {"reward": {"learning_rate": 0.0}}})
    with pytest.raises(ValueError, match=r"align\.reward\.learning_rate must be above 0"):
        broken.train.align.config(Align.DR_GRPO.value)


def test_align_needs_a_model(tmp_path: Path) -> None:
    write_state(tmp_path / "state", logged(walk(1)))
    with pytest.raises(CommandError, match="no model has been promoted yet"):
        CliRunner().invoke(
            app,
            ["train", "--align", "dr-grpo", "--state-dir", "state"],
            catch_exceptions=False,
        )


def test_a_value_out_of_range_is_named(tmp_path: Path) -> None:
    Path("pagecast.toml").write_text("[train.align]\ngroup_size = 1\n")
    result = CliRunner().invoke(app, ["train", "--align", "dr-grpo", "--state-dir", "state"])
    assert isinstance(result.exception, InputError)
    assert "align.group_size must be 2 to 64" in str(result.exception)
