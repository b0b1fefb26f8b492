"""What `pagecast train --from` and `--incremental` begin from."""

import dataclasses
from pathlib import Path

import pytest
from trainer.factories_trainer import SMALL, logged, walk, write_state

from pagecast.cli.exits import CommandError
from pagecast.cli.settings import Settings, load_settings
from pagecast.cli.training.beginning import beginning
from pagecast.cli.training.config import config_of
from pagecast.featurestore.database import connect
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.start_config import IncrementalConfig, StartConfig
from pagecast.trainer.starts import beginning as module
from pagecast.trainer.starts.base import Base, BaseError

EMPTY = Vocabulary(entities=(), entity_interactions=(), rows=())

BASE = Base(model=PageModel(SMALL.model, EMPTY), vocabulary=EMPTY, positions={("log", 0): 3})


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatePaths:
    """Of a registry with a champion and a model behind it; bundles are read by what is asked."""
    monkeypatch.chdir(tmp_path)
    paths = write_state(tmp_path / "state", logged(walk(1)))
    engine = connect(paths.database_url)
    for version in ("one", "two"):
        Registry(engine).register(version, parent_version=None, metrics={}, data={})
    Registry(engine).promote("one", "test")
    engine.dispose()
    monkeypatch.setattr(
        module, "load_base", lambda bundle: dataclasses.replace(BASE, version=bundle.name)
    )
    return paths


def settings_of(paths: StatePaths, **train: object) -> Settings:
    return load_settings(state_dir=paths.root, train=train)


@pytest.mark.parametrize(("name", "version"), [("two", "two"), ("champion", "one"), (None, "one")])
def test_an_incremental_training_goes_on_from_the_champion_or_what_is_named(
    paths: StatePaths, name: str | None, version: str
) -> None:
    begun = beginning(settings_of(paths), paths, name, incremental=True)
    assert begun.base is not None
    assert begun.base.version == version
    assert begun.known == BASE.positions, "what is held out is of what is new"


def test_from_alone_learns_from_everything(paths: StatePaths) -> None:
    begun = beginning(settings_of(paths), paths, "two", incremental=False)
    assert begun.base is not None
    assert (begun.incremental, begun.known) == (False, None)


def test_without_either_it_begins_from_nothing(paths: StatePaths) -> None:
    assert beginning(settings_of(paths), paths, None, incremental=False).base is None


def test_a_full_one_is_due_now_and_then(paths: StatePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    late = dataclasses.replace(BASE, incremental_runs=2)
    monkeypatch.setattr(module, "load_base", lambda _: late)
    often = settings_of(paths, incremental={"full_every": 3})
    begun = beginning(often, paths, None, incremental=True)
    assert (begun.base, begun.incremental) == (None, False)
    assert begun.known == BASE.positions, "the champion has learned what came before"
    assert "2 incremental trainings since the last full one" in begun.note
    seldom = settings_of(paths, incremental={"full_every": 4})
    assert beginning(seldom, paths, None, incremental=True).base is late


def test_what_is_not_there_is_told_with_the_remedy(
    paths: StatePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="pagecast models list"):
        beginning(settings_of(paths), paths, "three", incremental=False)
    nobody = StatePaths(root=tmp_path / "nobody").create()
    with pytest.raises(CommandError, match="no model has been promoted yet: train one in full"):
        beginning(settings_of(nobody), nobody, None, incremental=True)

    def damaged(_: Path) -> Base:
        raise BaseError("bundle one: damaged")

    monkeypatch.setattr(module, "load_base", damaged)
    with pytest.raises(CommandError, match="bundle one: damaged"):
        beginning(settings_of(paths), paths, None, incremental=True)


def test_settings_become_the_trainers_config(paths: StatePaths) -> None:
    assert config_of(settings_of(paths)) == TrainConfig()
    told = {"replay_share": 0.5, "full_every": 0, "new_entities": "mean"}
    config = config_of(settings_of(paths, incremental=told))
    assert config.incremental == IncrementalConfig(replay_share=0.5, full_every=0)
    assert config.start == StartConfig(new_entities="mean")
    assert not config.model.semantic
    assert config_of(settings_of(paths, response="semantic_ids")).model.semantic
