"""The commands of docs/operations.md, and a trainer as a process of its own."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli.factories_cli import document, pagecast
from engine.factories_engine import vocabulary_of, write_bundle
from rules.factories_rules import entity, snapshot
from trainer.factories_trainer import in_time_order, logged, walk, write_state
from typer.testing import CliRunner

from pagecast.cli.exits import ExitCode
from pagecast.cli.main import app
from pagecast.featurestore.database import connect
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.models.verdicts import Criterion, Verdict
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.claims import TrainingClaims
from pagecast.featurestore.trainings.trainings import Trainings

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatePaths:
    """The state directory of commands that are not told of another, with events in it."""
    monkeypatch.chdir(tmp_path)
    events = logged(in_time_order(walk(user) for user in range(30)))
    return write_state(tmp_path / ".pagecast", events)


def ask(*arguments: str) -> Any:
    """What a command prints with --json."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exception is None, result.output
    return json.loads(result.stdout.splitlines()[-1])


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exception is not None
    return str(result.exception)


def test_the_commands_of_the_page_do_what_it_says(paths: StatePaths) -> None:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    commands = [shlex.split(line)[2:] for block in blocks for line in block.splitlines()]
    assert len(commands) >= 5
    for command in commands:
        result = CliRunner().invoke(app, command)
        assert result.exception is None, f"{command}: {result.output}"
    (training,) = ask("trainings", "list")
    assert (training["request_id"], training["state"]) == ("monday", "waiting")
    assert training["order"]["budget_minutes"] == 0.1


def test_every_command_of_the_page_is_there() -> None:
    """Those that run for long, too."""
    blocks = re.findall(r"```(?:console|sh)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    for line in lines:
        words = [word for word in shlex.split(line)[1:3] if not word.startswith("-")]
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0, line


def test_a_training_is_asked_for_listed_and_cancelled(paths: StatePaths) -> None:
    asked = ask("trainings", "start", "--request-id", "r1", "--until", "2026-01-02", "--beside")
    assert (asked["state"], asked["asked_by"]) == ("waiting", "cli")
    assert asked["order"]["until_ms"] == 1_767_312_000_000
    ended = ask("trainings", "cancel", "r1")
    assert ended["state"] == "cancelled"
    assert [t["state"] for t in ask("trainings", "list")] == ["cancelled"]
    for said in (("--incremental",), ("--kind", "incremental")):
        assert ask("trainings", "start", *said)["order"]["kind"] == "incremental"
    assert "has cancelled" in refused("trainings", "watch", "r1")


def test_a_long_error_is_cut_in_a_list_visibly_and_whole_elsewhere(paths: StatePaths) -> None:
    error = "bundle v1: " + "of another format " * 10
    ask("trainings", "start", "--request-id", "r1")
    engine = connect(paths.database_url)
    claims = TrainingClaims(engine)
    claim = claims.claim("t1", 60_000)
    assert claim is not None
    claims.fail(claim, error)
    engine.dispose()
    listed = CliRunner().invoke(app, ["trainings", "list"]).output
    assert "…" in listed
    assert listed.count("format") < 5
    assert ask("trainings", "list")[0]["error"] == error


def test_prune_removes_checkpoints_of_trainings_that_have_ended(paths: StatePaths) -> None:
    for request_id in ("ends", "waits"):
        ask("trainings", "start", "--request-id", request_id)
    ask("trainings", "cancel", "ends")
    engine = connect(paths.database_url)
    ended, waits = (Trainings(engine).get(request_id).id for request_id in ("ends", "waits"))
    engine.dispose()
    for number in (ended, waits):
        (paths.trainings / str(number)).mkdir(parents=True)
    assert ask("models", "prune") == {"freed": [], "trainings": [ended]}
    assert [path.name for path in paths.trainings.iterdir()] == [str(waits)]


def test_bad_input_names_field_and_remedy(paths: StatePaths) -> None:
    assert "leave it empty" in refused("trainings", "start", "--base", "v1")
    told = refused("trainings", "start", "--incremental", "--base", "v1")
    assert "base_version: no model or alias is called 'v1'" in told
    assert "budget_steps: is 0" in refused("trainings", "start", "--budget-steps", "0")
    assert "no training 'nope'" in refused("trainings", "cancel", "nope")
    ask("trainings", "start", "--request-id", "r1")
    told = refused("trainings", "start", "--request-id", "r1", "--hold-out", "0.5")
    assert "take a new id" in told


def test_what_the_gate_refuses_is_told_and_promoted_only_by_force(paths: StatePaths) -> None:
    engine = connect(paths.database_url)
    registry = Registry(engine)
    registry.register("v1", parent_version=None, metrics={"ndcg_at_10": 0.25}, data={})
    criterion = Criterion(name="keeps_rules", passed=False, told="3 of 100 pages")
    registry.judge("v1", Verdict(champion=None, judged_at_ms=0, criteria=(criterion,)))
    engine.dispose()
    assert "--force" in refused("models", "promote", "v1")
    shown = CliRunner().invoke(app, ["models", "show", "v1"]).stdout
    assert "keeps_rules" in shown
    assert "3 of 100 pages" in shown
    ask("models", "promote", "v1", "--force", "--note", "a holiday")
    (move,) = ask("models", "show", "v1")["promotions"]
    assert (move["moved_by"], move["forced"], move["note"]) == ("cli", True, "a holiday")


def test_every_byte_of_a_bundle_is_verified_also_what_servers_do_not_read(
    paths: StatePaths,
) -> None:
    bundle = write_bundle(paths.bundles, vocabulary_of(snapshot([entity("e1", "Drama")], [])))
    engine = connect(paths.database_url)
    Registry(engine).register(bundle.name, parent_version=None, metrics={}, data={})
    engine.dispose()
    size_bytes = sum(file.stat().st_size for file in bundle.iterdir())
    manifest_bytes = (bundle / "manifest.json").stat().st_size
    assert ask("models", "verify", bundle.name) == {
        "version": bundle.name,
        "bytes": size_bytes - manifest_bytes,
    }
    unread = bundle / "decode_int8.onnx"
    unread.write_bytes(unread.read_bytes()[:-1] + b"?")
    assert "decode_int8.onnx: altered" in refused("models", "verify", bundle.name)


def test_a_training_whose_model_the_gate_refuses_says_so(paths: StatePaths) -> None:
    ask("trainings", "start", "--request-id", "r1")
    engine = connect(paths.database_url)
    claims, registry = TrainingClaims(engine), Registry(engine)
    claim = claims.claim("here", 60_000)
    assert claim is not None
    registry.register("v1", parent_version=None, metrics={}, data={})
    criterion = Criterion(name="keeps_rules", passed=False, told="3 of 100 pages")
    registry.judge("v1", Verdict(champion=None, judged_at_ms=0, criteria=(criterion,)))
    claims.succeed(claim, "v1")
    engine.dispose()
    told = CliRunner().invoke(app, ["trainings", "watch", "r1"])
    assert told.exit_code == ExitCode.OK
    words = " ".join(told.output.split())
    assert "the gate refuses it (keeps_rules): `pagecast models show v1`" in words
    assert ask("trainings", "watch", "r1")["refused_by"] == ["keeps_rules"]


def test_the_database_goes_back_and_forward(paths: StatePaths) -> None:
    newest = ask("models", "migrate")["revision"]
    assert ask("models", "migrate", "--to", "0004")["revision"] == "0004"
    assert ask("models", "migrate")["revision"] == newest
    assert "is not below" in refused("models", "migrate", "--to", "nowhere")


def made(folder: Path, request_id: str, *arguments: str) -> Any:
    """Asks for a training, and follows it to its end."""
    start = ("trainings", "start", "--request-id", request_id, *arguments, "--json")
    document(pagecast(*start, cwd=folder))
    watch = ("trainings", "watch", request_id, "--json")
    return document(pagecast(*watch, cwd=folder, seconds_max=600.0))


@pytest.mark.faults
def test_a_trainer_makes_the_models_that_were_asked_for(paths: StatePaths, tmp_path: Path) -> None:
    budget = ("--budget-steps", "30", "--budget-minutes", "30")
    command = [sys.executable, "-m", "pagecast.cli", "trainer", "--threads", "1", "--nice", "3"]
    with subprocess.Popen(command, cwd=tmp_path, env=os.environ) as trainer:
        try:
            training = made(tmp_path, "r1", "--hold-out", "0.2", *budget)
            more = ("--incremental", "--hold-out", "0.5", "--promote", "never")
            next_one = made(tmp_path, "r2", *more, *budget)
        finally:
            trainer.send_signal(signal.SIGTERM)
        assert trainer.wait(60) == ExitCode.OK
    assert (training["state"], training["progress"]["step"]) == ("succeeded", 30)
    champion = document(pagecast("models", "show", "--json", cwd=tmp_path))
    assert champion["version"] == training["version"]
    assert champion["config"]["threads"] == 1
    assert len(champion["verdict"]["criteria"]) == 6
    assert champion["promotions"][0]["moved_by"] == "gate"
    grown = document(pagecast("models", "show", "challenger", "--json", cwd=tmp_path))
    assert (grown["version"], grown["parent_version"]) == (next_one["version"], champion["version"])
    assert grown["data"]["kind"] == "incremental"
