"""A wrong option, setting or folder is reported by name, and the exit code is 2."""

import json
from pathlib import Path

import pytest
from factories import free_port
from typer.testing import CliRunner

from pagecast.cli.exits import ExitCode, InputError, NotRunningError
from pagecast.cli.main import app


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(*arguments: str) -> str:
    """What is told of input that is refused."""
    done = CliRunner().invoke(app, list(arguments))
    if done.exception is None or isinstance(done.exception, SystemExit):
        assert done.exit_code == ExitCode.BAD_INPUT, done.output
        return done.output + done.stderr
    assert isinstance(done.exception, InputError), repr(done.exception)
    return str(done.exception)


@pytest.mark.parametrize("command", ["trainings", "models", "experiments"])
def test_what_is_no_url_of_a_database(command: str) -> None:
    assert "database_url: no URL" in told(command, "list", "--database-url", "nonsense")


@pytest.mark.parametrize("command", ["serve", "ingest"])
def test_what_is_no_url_of_a_database_for_what_runs_on(command: str) -> None:
    said = told(command, "--bootstrap-servers", "127.0.0.1:1", "--database-url", "nonsense")
    assert "database_url: no URL" in said


@pytest.mark.parametrize("command", ["serve", "ingest"])
def test_a_database_that_is_away_is_named_with_the_remedy(command: str) -> None:
    url = f"postgresql+psycopg://pagecast:secret@127.0.0.1:{free_port()}/pagecast"
    arguments = [command, "--bootstrap-servers", "127.0.0.1:1", "--database-url", url]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, NotRunningError), repr(done.exception)
    assert done.exception.remedy == "start it, or mend database_url"
    assert "secret" not in str(done.exception)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "pagecast.db").write_bytes(b"nothing of the kind, " * 100)
    said = told("models", "list", "--state-dir", str(tmp_path))
    assert "pagecast.db cannot be used as our database: file is not a database" in said


@pytest.mark.parametrize("command", [("models", "list"), ("up",)])
def test_a_state_directory_that_is_a_file(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "the state directory file: " in told(*command, "--state-dir", "file")


def test_a_state_directory_that_is_new_is_told_of_once(tmp_path: Path) -> None:
    asked = ["trainings", "list", "--state-dir", str(tmp_path / "new"), "--json"]
    first, second = (CliRunner().invoke(app, asked) for _ in range(2))
    assert "has no database yet and gets an empty one" in first.stderr
    assert "has no database yet" not in second.stderr
    assert (json.loads(first.stdout), first.exit_code) == ([], ExitCode.OK)


@pytest.mark.parametrize("command", [("compact",), ("pages", "--out", "pages.parquet")])
def test_a_folder_without_an_offline_log(command: tuple[str, ...], tmp_path: Path) -> None:
    said = told("offline", *command, "--state-dir", "elsewhere")
    assert "there is no offline log in elsewhere" in said
    assert list(tmp_path.iterdir()) == []


def test_brokers_without_a_port() -> None:
    said = told("ingest", "--bootstrap-servers", "one:9092,two")
    assert "setting 'bootstrap_servers': 'two' is no bootstrap server: write HOST:PORT" in said


def test_a_setting_of_the_environment_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGECAST_SERVE", "abc")
    said = told("trainings", "list")
    assert 'field "serve"' in said
    assert "PAGECAST_* variable" in said


def test_a_settings_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "pagecast.toml").write_bytes(b'state_dir = "\xff"\n')
    assert "pagecast.toml is not UTF-8" in told("trainings", "list")


def test_a_user_that_is_no_text() -> None:
    assert "no UTF-8" in told("page", "\udcff", "--server", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("page", "ada", "--seed", "99999999999999999999"), "--seed"),
        (("page", "ada", "--replay", "p1"), "--replay: the page has a user already"),
        (("page", "ada", "--top-p", "0.5"), "--top-p: nothing is drawn"),
        (("offline", "pages", "--out", "x.jsonl", "--window-minutes", "inf"), "--window-minutes"),
        (("offline", "pages", "--out", "nowhere/x.jsonl"), "--out"),
        (("trainings", "start", "--kind", "full", "--incremental"), "--kind full"),
        (("trainings", "start", "--request-id", ""), "--request-id"),
        (("evaluate", "--logged", "--html", "x.html"), "--logged: --html"),
        (("evaluate", "--logged", "--systems", "ease"), "--logged: --systems"),
        (("evaluate", "--html", "."), "--html"),
        (("forget", "ada", "--yes", "--timeout", "31"), "--timeout"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_an_option_is_named(arguments: tuple[str, ...], option: str) -> None:
    assert option in told(*arguments)


def test_ids_of_trainings_may_be_anything_and_the_list_still_tells() -> None:
    def done(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["trainings", *arguments])
        assert result.exception is None, result.output
        return result.stdout

    for request_id in ("[/x]", "[bold]"):
        told = json.loads(done("start", "--request-id", request_id, "--detail", "[/b]", "--json"))
        assert (told["request_id"], told["detail"]) == (request_id, "[/b]")
    listed = json.loads(done("list", "--json"))
    assert {training["request_id"] for training in listed} == {"[/x]", "[bold]"}
    assert "[/x]" in done("list")
