"""Options of `pagecast train` that contradict each other are refused before anything is read."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pagecast.cli.exits import ExitCode, InputError
from pagecast.cli.main import app
from pagecast.cli.training.refusals import refuse


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--baseline --from champion", "--baseline: it has no weights"),
        ("--baseline --incremental", "--baseline: it has no weights"),
        ("--baseline --resume", "--baseline: it has no weights"),
        ("--baseline --profile tiny", "--baseline: it has no weights"),
        ("--baseline --align dr-grpo", "--baseline: it has no weights"),
        ("--baseline --task rows.jsonl", "--baseline: it has no weights"),
        ("--baseline --whole", "--baseline: it has no weights"),
        ("--whole", "give the task's rows with --task"),
        ("--whole --align dr-grpo", "give the task's rows with --task"),
        ("--task rows.jsonl --align dr-grpo", "--task: a head is fitted on a model as it is"),
        ("--task rows.jsonl --incremental", "--task: a head is fitted on a model as it is"),
        ("--task rows.jsonl --whole --resume", "--task: a head is fitted on a model as it is"),
        ("--task rows.jsonl --hold-out 0.5", "tested on the newest fifth"),
        ("--task rows.jsonl --budget-minutes 1", "--task: a head is fitted on a model as it is"),
        ("--task rows.jsonl --profile large", "--task: a head is fitted on a model as it is"),
        ("--task rows.jsonl --promote always", "serves no pages"),
        ("--baseline --budget-minutes 1", "it takes --hold-out alone"),
        ("--baseline --promote always", "no gate to pass"),
        ("--align grpo-sr --incremental", "--align and --incremental"),
        ("--align grpo-sr --profile large", "stays as large as it is"),
    ],
)
def test_a_contradiction_is_named(options: str, told: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    done = CliRunner().invoke(app, ["train", "--state-dir", str(state), *options.split()])
    assert isinstance(done.exception, InputError), done.output
    assert done.exception.exit_code is ExitCode.BAD_INPUT
    assert told in str(done.exception)
    assert not state.exists()


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--baseline",
        "--task --whole --from",
        "--align --from --resume --hold-out --budget-minutes",
        "--incremental --from --resume --profile",
    ],
)
def test_what_goes_together_is_let_through(options: str) -> None:
    refuse(set(options.split()))
