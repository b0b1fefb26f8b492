"""`pagecast experiments estimate`: its options, and what it cannot estimate."""

from pathlib import Path

import pytest
from engine.multi_stage.factories_multi_stage import tables_of, write_multi_stage
from factories_databases import migrated
from featurestore.experiments.factories_experiments import GENRES, registered
from typer.testing import CliRunner

from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.experiments import estimating
from pagecast.cli.main import app
from pagecast.engine.errors import EngineError
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.state import StatePaths


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The version of a model beside an experiment; nothing was served yet."""
    paths = StatePaths(root=tmp_path / ".pagecast").create()
    engine = migrated(paths.database_url)
    registered(engine)
    version = write_multi_stage(paths.bundles, tables_of(list(GENRES))).name
    Registry(engine).register(version, parent_version=None, metrics={}, data={})
    engine.dispose()
    monkeypatch.chdir(tmp_path)
    return version


def estimate(target: str, *options: str) -> None:
    asked = ("experiments", "estimate", "one", "--drawn-by", "champion", "--target", target)
    CliRunner().invoke(app, (*asked, *options), catch_exceptions=False)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--top-p", "0"), "^--top-p: must be above 0 and at most 1, is 0.0"),
        (("--top-p", "1.5"), "^--top-p: must be above 0 and at most 1, is 1.5"),
        (("--temperature", "0"), "^--temperature: must be above 0"),
        (("--target", "nobody"), "^--target: no model or alias is called 'nobody'"),
        (("--drawn-by", "nobody"), "^--drawn-by: 'nobody' is no arm of one"),
    ],
)
def test_the_option_at_fault_is_named(target: str, option: tuple[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        estimate(target, *option)


def test_without_drawn_pages_there_is_no_estimate(target: str) -> None:
    with pytest.raises(CommandError, match="arm champion: no page was drawn half an hour ago"):
        estimate(target)


def test_a_target_that_cannot_draw_is_named(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: object) -> None:
        raise EngineError("decode: out of memory")

    monkeypatch.setattr(estimating, "_report", out_of_memory)
    with pytest.raises(CommandError, match=f"model {target} cannot draw: decode: out of memory"):
        estimate(target)
