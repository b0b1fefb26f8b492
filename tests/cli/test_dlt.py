"""`pagecast dlt` lists what was refused and sends it again, once."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli.factories_cli import pagecast
from eventlog.factories_eventlog import event_log, read_all
from streaming.factories_letters import refuse, rejection, send_raw

from pagecast.cli.commands.dlt import app
from pagecast.cli.exits import ExitCode, InputError
from pagecast.eventlog.rejection import Reason
from pagecast.eventlog.topics import CATALOG, INTERACTIONS

Run = Callable[..., str]


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Four letters: three of the interaction topic, with two reasons, and one of the catalog's."""
    with event_log(tmp_path_factory.mktemp("broker")) as servers:
        records = send_raw(servers, [b"a", b"b", b"c"])
        refuse(servers, records[:2], rejection(Reason.MALFORMED, "no [red] protobuf"))
        refuse(servers, records[2:], rejection(Reason.IN_THE_FUTURE, "correct the clock"))
        refuse(servers, send_raw(servers, [b"d"], topic=CATALOG), rejection(Reason.TOO_LARGE))
        yield servers


@pytest.fixture
def dlt(bootstrap: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command of `pagecast dlt` in this process; returns what it printed."""

    def run(*arguments: str) -> str:
        options = ("--bootstrap-servers", bootstrap, "--state-dir", str(tmp_path / "state"))
        app([*arguments, *options], standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_letters_are_listed_by_topic_and_reason_with_a_sample(dlt: Run) -> None:
    listed = json.loads(dlt("list", "--json"))
    assert listed["letters"] == 4
    assert [(g["topic"], g["reason"], g["count"]) for g in listed["groups"]] == [
        (CATALOG, "TOO_LARGE", 1),
        (INTERACTIONS, "IN_THE_FUTURE", 1),
        (INTERACTIONS, "MALFORMED", 2),
    ]
    malformed = listed["groups"][2]
    assert 0 < malformed["first_ms"] <= malformed["last_ms"]
    [sample] = malformed["samples"]
    assert (sample["offset"], sample["field"]) == (1, "play.entity_id")
    assert sample["detail"] == "no [red] protobuf"
    assert "ann" not in str(listed)


def test_some_of_them_with_more_samples_if_so_asked(dlt: Run) -> None:
    of_catalog = json.loads(dlt("list", "--topic", "catalog", "--json"))
    assert [g["topic"] for g in of_catalog["groups"]] == [CATALOG]
    options = ("--topic", f"{INTERACTIONS}-dlt", "--reason", "malformed", "--limit", "5", "--json")
    [group] = json.loads(dlt("list", *options))["groups"]
    assert [s["offset"] for s in group["samples"]] == [0, 1]


def test_people_read_a_table_and_samples(dlt: Run) -> None:
    told = dlt("list")
    assert "interaction  IN_THE_FUTURE  1" in told
    assert "interaction 2 play.entity_id: correct the clock" in told
    assert "no [red] protobuf" in told
    assert "no dead letters" in dlt("list", "--topic", "profile")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("list", "--topic", "trainings"), "name one of interaction, catalog"),
        (("list", "--reason", "BAD"), "name one of TOO_LARGE"),
        (("replay", "--from", "3"), "pass --topic"),
    ],
)
def test_what_is_not_there_is_named(dlt: Run, arguments: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        dlt(*arguments)


def test_a_replay_sends_each_record_once(dlt: Run, bootstrap: str, tmp_path: Path) -> None:
    chosen = ("replay", "--topic", "interaction", "--from", "1", "--to", "2", "--json")
    assert json.loads(dlt(*chosen, "--dry-run")) == {"outcomes": {"SENT": 2}, "dry_run": True}
    assert json.loads(dlt(*chosen)) == {"outcomes": {"SENT": 2}, "dry_run": False}
    assert json.loads(dlt("replay", "--topic", "interaction", "--json")) == {
        "outcomes": {"SENT": 1, "ALREADY_SENT": 2},
        "dry_run": False,
    }
    sent_again = [record.value for record in read_all(bootstrap, INTERACTIONS, 6)][3:]
    assert sorted(value or b"" for value in sent_again) == [b"a", b"b", b"c"]
    arguments = ("--bootstrap-servers", bootstrap, "--state-dir", str(tmp_path / "state"))
    done = pagecast("dlt", "replay", "--topic", "interaction", *arguments, cwd=tmp_path)
    assert done.returncode == ExitCode.OK
    assert "ALREADY_SENT  3" in done.stdout
    none = pagecast("dlt", "replay", "--topic", "profile", *arguments, cwd=tmp_path)
    assert none.returncode == ExitCode.OK
    assert "no dead letter is of this selection" in none.stdout
