"""`pagecast train --baseline`."""

import json
from pathlib import Path

from trainer.factories_trainer import in_time_order, logged, walk, write_state
from typer.testing import CliRunner

from pagecast.cli.main import app
from pagecast.engine.multi_stage.bundle import load_multi_stage


def run(*arguments: str) -> str:
    """Stdout of a command in this process. Raises what it raises."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_the_baseline_is_trained_and_has_an_alias_of_its_own(tmp_path: Path) -> None:
    write_state(tmp_path, logged(in_time_order(walk(user, 4) for user in range(8))))
    said = json.loads(run("train", "--baseline", "--json", "--state-dir", str(tmp_path)))
    assert (said["kind"], said["aliases"]) == ("multi-stage", ["multi-stage"])
    assert load_multi_stage(Path(said["bundle"])).version == said["version"]
    listed = json.loads(run("models", "list", "--json", "--state-dir", str(tmp_path)))
    assert [model["aliases"] for model in listed] == [["multi-stage"]]
