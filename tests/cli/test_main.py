"""The command line as people and scripts meet it; what starting itself does, in a new Python."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli.factories_cli import pagecast

from pagecast.cli.exits import EXIT_CODES_HELP, ExitCode
from pagecast.cli.main import WAITING_VARIABLE as VARIABLE


def started(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, from its first import."""
    return subprocess.run(
        [sys.executable, "-m", "pagecast.cli", *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_comes_before_one_loses_patience(tmp_path: Path) -> None:
    """Heavy imports belong into the commands: measured as CPU time, the machine may be busy."""
    before = os.times()
    shown = started("--help", cwd=tmp_path)
    after = os.times()
    assert shown.returncode == ExitCode.OK
    assert after.children_user - before.children_user < 1.0


@pytest.mark.parametrize(
    ("set_before", "found"), [({}, "passive"), ({VARIABLE: "active"}, "active")]
)
def test_threads_that_wait_let_others_compute_unless_told_otherwise(
    tmp_path: Path, set_before: dict[str, str], found: str
) -> None:
    look = (
        "import atexit, os, sys; from pagecast.cli.main import main;"
        f"atexit.register(lambda: print(os.environ['{VARIABLE}']));"
        "sys.argv = ['pagecast', '--help']; main()"
    )
    clean = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", look],
        cwd=tmp_path,
        env={**clean, **set_before},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == found


def test_the_command_line_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ["feast", "torch", "onnxruntime", "grpc", "kafka", "pandas", "sqlalchemy", "pydantic"]
    look = f"import sys, pagecast.cli.main; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_every_exit_code_is_in_the_help() -> None:
    for code in ExitCode:
        assert f"{int(code)} " in EXIT_CODES_HELP


def test_wrong_usage_exits_2(tmp_path: Path) -> None:
    assert started("no-such-command", cwd=tmp_path).returncode == ExitCode.BAD_INPUT


def test_wrong_settings_exit_2_with_one_line(tmp_path: Path) -> None:
    done = started("models", "list", cwd=tmp_path, PAGECAST_LOG_LEVEL="loud")
    assert done.returncode == ExitCode.BAD_INPUT
    assert done.stderr.startswith("error: setting 'log_level'")
    assert len(done.stderr.splitlines()) == 1


def test_a_trigger_out_of_its_range_exits_2_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_text("[triggers]\ndrift = 7\n")
    done = pagecast("ingest", "--bootstrap-servers", "127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_INPUT
    assert "drift is 7" in done.stderr


def test_an_unknown_data_set_exits_2_and_names_those_known(tmp_path: Path) -> None:
    done = pagecast("data", "fetch", "ml-1b", cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_INPUT
    assert "ml-100k" in done.stderr


def test_without_a_stack_it_exits_3_and_says_how_to_start_one(tmp_path: Path) -> None:
    done = pagecast("history", "7", cwd=tmp_path)
    assert done.returncode == ExitCode.NOT_RUNNING
    assert "pagecast up" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = started("--debug", "page", "7", cwd=tmp_path)
    assert done.returncode == ExitCode.NOT_RUNNING
    assert "Traceback" in done.stderr


def test_a_server_that_does_not_answer_exits_3(tmp_path: Path) -> None:
    done = pagecast("page", "7", "--server", "127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == ExitCode.NOT_RUNNING
    assert "127.0.0.1:1" in done.stderr


def test_json_is_one_document_on_stdout_and_the_rest_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_text('state_dir = "elsewhere"\n')
    done = started("models", "list", "--json", cwd=tmp_path)
    assert done.returncode == ExitCode.OK
    assert json.loads(done.stdout) == []
    assert "pagecast train" in done.stderr
    assert (tmp_path / "elsewhere" / "pagecast.db").exists(), "the file's settings hold"


def test_no_champion_exits_1_and_says_where_to_look(tmp_path: Path) -> None:
    done = pagecast("models", "show", cwd=tmp_path)
    assert done.returncode == ExitCode.FAILED
    assert "pagecast models list" in done.stderr
