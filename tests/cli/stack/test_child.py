from dataclasses import replace
from pathlib import Path

import pytest

from pagecast.cli.exits import CommandError, ExitCode
from pagecast.cli.stack.child import LOG_TAIL_LINES, Child, ChildEndedError, ChildSpec, log_tail


def spec(folder: Path, *arguments: str, ready_seconds_max: float = 30.0) -> ChildSpec:
    return ChildSpec(
        name="part",
        arguments=arguments,
        log=folder / "part.log",
        ready_file=folder / "part.json",
        ready_seconds_max=ready_seconds_max,
    )


def test_a_child_that_ends_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = Child(spec(tmp_path, "serve", "--port", "70000"))
    with pytest.raises(ChildEndedError, match="part ended with exit code 2") as ended:
        child.wait_ready()
    assert ended.value.exit_code == ExitCode.BAD_INPUT
    assert "part.log" in ended.value.remedy
    assert "port" in ended.value.details
    child.stop()


def test_of_its_log_only_what_it_wrote_itself_is_shown(tmp_path: Path) -> None:
    (tmp_path / "part.log").write_text("error: what ended another one\n")
    child = Child(spec(tmp_path, "serve", "--port", "70000"))
    with pytest.raises(ChildEndedError) as ended:
        child.wait_ready()
    child.stop()
    assert "70000" in ended.value.details
    assert "another one" not in ended.value.details


def test_a_child_that_is_not_ready_in_time_is_told(tmp_path: Path) -> None:
    child = Child(spec(tmp_path, "--help", ready_seconds_max=0.0))
    with pytest.raises(CommandError, match="was not ready in 0 s"):
        child.wait_ready()
    child.stop()


def test_readiness_of_an_earlier_child_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "part.json").write_text('{"metrics_port": 1}')
    child = Child(spec(tmp_path, "no-such-command"))
    with pytest.raises(ChildEndedError):
        child.wait_ready()
    child.stop()


def test_only_the_last_lines_of_a_long_log_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_text("".join(f"line {n}\n" for n in range(100_000)))
    lines = log_tail(log).splitlines()
    assert len(lines) == LOG_TAIL_LINES
    assert lines[-1] == "line 99999"


def test_a_child_learns_from_its_environment_what_a_command_line_would_show(
    tmp_path: Path,
) -> None:
    said = replace(
        spec(tmp_path, "ingest"),
        environment={"PAGECAST_ONLINE_STORE_URL": "redis://:secret@one,two"},
    )
    assert "secret" not in repr(said)
    child = Child(said)
    with pytest.raises(ChildEndedError) as ended:
        child.wait_ready()
    child.stop()
    assert "online_store_url" in ended.value.details
    assert "secret" not in ended.value.details
