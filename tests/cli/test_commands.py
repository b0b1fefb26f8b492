"""The commands against one running stack, with the sample of docs/own-data.md."""

import io
import json
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.factories_cli import Up, document, pagecast, running, start_up
from rich.console import Console

from pagecast.cli.client import Client
from pagecast.cli.demo.change import Film, show_change
from pagecast.cli.demo.launch import show_launch
from pagecast.cli.demo.load import run_load
from pagecast.cli.demo.stage import Stage
from pagecast.cli.exits import ExitCode
from pagecast.eventlog.producer import EventProducer

REPOSITORY = Path(__file__).parents[2]
WALK_THROUGH = REPOSITORY / "docs" / "own-data.md"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A stack in a folder where the walk-through's paths hold, with its commands run in order.

    Ctrl-C ends it, and all of it: said here, because another would cost five processes' imports.
    """
    folder = tmp_path_factory.mktemp("own-data")
    (folder / "docs").symlink_to(REPOSITORY / "docs")
    stack = start_up(folder, "--allow-client-clock", "--no-trainer")
    try:
        for command in commands_of(WALK_THROUGH):
            done = pagecast(*command, cwd=folder)
            assert done.returncode == ExitCode.OK, f"{command}: {done.stderr}"
        pids = stack.pids()
        assert running(pids) == pids
        yield stack
        assert stack.end(signal.SIGINT) == ExitCode.INTERRUPTED
        assert running(pids) == [], "nothing outlives it"
        assert not stack.record, "no record is left that other commands could believe"
    finally:
        if stack.process.poll() is None:
            stack.end(signal.SIGTERM)


def commands_of(text: Path) -> list[list[str]]:
    """What follows `$ pagecast` in the console blocks; `up` is running already."""
    blocks = re.findall(r"```console\n(.*?)```", text.read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert all(line.startswith("$ pagecast ") for line in lines), "every line is a command"
    commands = [shlex.split(line)[2:] for line in lines]
    assert ["up"] in commands
    return [command for command in commands if command != ["up"]]


def test_the_walk_through_ends_with_a_page_of_the_trained_model(up: Up) -> None:
    champion = document(pagecast("models", "show", "--json", cwd=up.folder))
    page = document(pagecast("page", "ada", "--rows", "3", "--json", cwd=up.folder))
    assert page["model_version"] == champion["version"]
    assert page["degraded_reason"] == ""
    assert 1 <= len(page["rows"]) <= 3
    entities = [e["entity_id"] for row in page["rows"] for e in row["entities"]]
    assert len(entities) == len(set(entities)), "no entity twice"


def test_a_second_stack_is_refused_and_the_first_goes_on(up: Up) -> None:
    second = pagecast("up", cwd=up.folder)
    assert second.returncode == ExitCode.LOCKED
    assert str(up.process.pid) in second.stderr
    assert document(pagecast("page", "nobody", "--json", cwd=up.folder))["rows"]


def test_an_event_that_is_published_is_in_the_history(up: Up, tmp_path: Path) -> None:
    event = {
        "eventId": "01a0f944-7f78-7ebd-a273-85d12d340001",
        "userId": "zoe",
        "occurredAt": "2026-11-01T20:00:00Z",
        "play": {"entityId": "whale-song", "kind": "PLAY_KIND_FEATURE"},
    }
    (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n")
    file = str(tmp_path / "events.jsonl")
    published = document(pagecast("publish", file, "--wait", "--json", cwd=up.folder))
    assert published == {
        "published": {"pagecast.interaction.recorded.v1": 1},
        "ingested": True,
    }
    history = document(pagecast("history", "zoe", "--json", cwd=up.folder))
    assert [step["entity_id"] for step in history["steps"]] == ["whale-song"]


def test_a_wrong_line_exits_2_and_names_file_line_and_field(up: Up, tmp_path: Path) -> None:
    event = {
        "eventId": "not-a-uuid",
        "userId": "zoe",
        "occurredAt": "2026-11-01T20:00:00Z",
        "click": {"entityId": "whale-song"},
    }
    (tmp_path / "wrong.jsonl").write_text("\n" + json.dumps(event) + "\n")
    done = pagecast("publish", str(tmp_path / "wrong.jsonl"), cwd=up.folder)
    assert done.returncode == ExitCode.BAD_INPUT
    assert "wrong.jsonl:2" in done.stderr
    assert "event_id" in done.stderr


def test_a_file_without_a_line_is_said_to_have_none(up: Up, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    done = pagecast("publish", str(tmp_path / "empty.jsonl"), cwd=up.folder)
    assert done.returncode == ExitCode.OK
    assert "nothing to publish" in done.stdout


def test_a_stranger_has_no_history_and_gets_a_page(up: Up) -> None:
    done = pagecast("history", "nobody", cwd=up.folder)
    assert done.returncode == ExitCode.FAILED
    assert "no history" in done.stderr
    assert document(pagecast("page", "nobody", "--json", cwd=up.folder))["rows"]


def test_a_user_who_is_forgotten_has_no_history_until_new_events_come(
    up: Up, tmp_path: Path
) -> None:
    def publish(number: int) -> None:
        event = {
            "eventId": f"01a0f944-7f78-7ebd-a273-85d12d34100{number}",
            "userId": "leaver",
            "occurredAt": f"2026-11-01T20:00:0{number}Z",
            "click": {"entityId": f"film-{number}"},
        }
        (tmp_path / "events.jsonl").write_text(json.dumps(event) + "\n")
        document(
            pagecast("publish", str(tmp_path / "events.jsonl"), "--wait", "--json", cwd=up.folder)
        )

    publish(1)
    receipt = document(pagecast("forget", "leaver", "--yes", "--json", cwd=up.folder))
    assert receipt["completed_at"] >= receipt["requested_at"]
    assert receipt["rows_erased"] == "1"
    assert pagecast("history", "leaver", cwd=up.folder).returncode == ExitCode.FAILED
    publish(2)
    history = document(pagecast("history", "leaver", "--json", cwd=up.folder))
    assert [step["entity_id"] for step in history["steps"]] == ["film-2"]


def test_a_page_is_written_for_people_row_by_row(up: Up) -> None:
    shown = pagecast("page", "ada", "--rows", "2", "--entities", "3", cwd=up.folder)
    assert shown.returncode == ExitCode.OK
    assert re.search(r"^ 1 \S", shown.stdout, re.MULTILINE)
    assert re.search(r"^ 2 \S", shown.stdout, re.MULTILINE)
    assert "first row" in shown.stdout


@pytest.fixture
def stage(up: Up) -> Iterator[Stage]:
    """The demo's view of the stack; what it writes goes nowhere."""
    with Client(up.record["server_address"]) as client:
        yield Stage(console=Console(file=io.StringIO()), client=client)


@pytest.fixture
def producer(up: Up) -> Iterator[EventProducer]:
    with EventProducer(up.record["bootstrap_servers"]) as producer:
        yield producer


def test_the_demos_events_change_the_next_page(stage: Stage, producer: EventProducer) -> None:
    films = [
        Film(entity_id=entity, title=entity)
        for entity in ("whale-song", "city-of-bees", "deep-field", "salt-road")
    ]
    change = show_change(stage, producer, "mia", films)
    assert change.difference.beyond_removal
    assert 0 < change.history_seconds < change.page_seconds


def test_the_demos_new_entities_are_placed_and_the_live_one_only_while_it_is_on(
    stage: Stage, producer: EventProducer
) -> None:
    launch = show_launch(stage, producer, ["ada", "nobody"], 2026, window_seconds=6)
    assert {placed.kind for placed in launch.placed} == {"movie", "game", "live_event"}
    assert all(placed.row_id != "continue" and placed.seconds > 0 for placed in launch.placed)
    assert launch.pages_after_window >= 1


def test_the_demos_load_run_counts_every_page(stage: Stage) -> None:
    load = run_load(stage, ["ada", "nobody"], pages=6)
    assert len(load.page_ms) == len(load.first_row_ms) == 6
    assert all(
        0 < first <= whole for first, whole in zip(load.first_row_ms, load.page_ms, strict=True)
    )
    assert load.pages_per_second > 0


def test_a_single_champion_cannot_be_rolled_back(up: Up) -> None:
    done = pagecast("models", "rollback", cwd=up.folder)
    assert done.returncode == ExitCode.FAILED
    assert "first champion" in done.stderr


def test_doctor_finds_a_running_stack_well(up: Up) -> None:
    findings = document(pagecast("doctor", "--json", cwd=up.folder))
    health = {finding["part"]: finding["health"] for finding in findings}
    for part in ("stack", "broker", "server", "catalog", "model", "online store", "offline log"):
        assert health[part] == "ok", part


def test_doctor_names_an_altered_bundle_and_how_to_mend_it(up: Up) -> None:
    champion = document(pagecast("models", "show", "--json", cwd=up.folder))["version"]
    graph = up.folder / ".pagecast" / "bundles" / champion / "decode.onnx"
    content = graph.read_bytes()
    graph.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        done = pagecast("doctor", "--json", cwd=up.folder)
    finally:
        graph.write_bytes(content)
    assert done.returncode == ExitCode.FAILED
    broken = [f for f in json.loads(done.stdout) if f["health"] == "broken"]
    assert [finding["part"] for finding in broken] == ["model"]
    assert "decode.onnx" in broken[0]["text"]
    assert "train again" in broken[0]["remedy"]


def test_a_page_is_carried_on_and_replayed_from_the_log(up: Up) -> None:
    asked = ("page", "ada", "--entities", "3", "--json")
    first = document(pagecast(*asked, "--rows", "1", cwd=up.folder))
    more = ("--rows", "1", "--continue", first["continuation"])
    second = document(pagecast(*asked, *more, cwd=up.folder))
    assert (second["page_id"], second["rows_before"]) == (first["page_id"], 1)
    assert first["rows"][0]["row_id"] != second["rows"][0]["row_id"]
    replay = ("page", "--replay", first["page_id"], "--json")
    until = time.monotonic() + 30
    while len(parts := _parts(pagecast(*replay, cwd=up.folder))) < 2:
        assert time.monotonic() < until, "the page's records are ingested"
    for page, part in zip((first, second), parts, strict=True):
        entities = [e["entity_id"] for e in page["rows"][0]["entities"]]
        assert [row["entity_ids"] for row in part["rows"]] == [entities]
        assert part["differing"] == []


def test_a_page_that_is_browsed_follows_what_is_done_on_it(up: Up) -> None:
    asked = ("page", "ada", "--browse", "--entities", "3", "--json")
    page = document(pagecast(*asked, "--rows", "2", "--hide", "1:2", cwd=up.folder))
    hidden = page["rows"][0]["entities"][1]["entity_id"]
    [action] = page["actions"]
    assert (action["action"], action["entity_id"]) == ("hide", hidden)
    assert action["unpublished_reason"] == ""
    assert [part["actions_reflected"] for part in page["parts"]] == [0, 1]
    assert [part["rows_before"] for part in page["parts"]] == [0, 1]
    beyond = pagecast(*asked, "--click", "1:9", cwd=up.folder)
    assert (beyond.returncode, beyond.stdout) == (ExitCode.BAD_INPUT, "")
    assert "--click 1:9: the row has" in beyond.stderr
    for wrong in (("--browse", "--play", "1"), ("--play", "1:1")):
        done = pagecast("page", "ada", *wrong, cwd=up.folder)
        assert done.returncode == ExitCode.BAD_INPUT


def _parts(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return document(done)["parts"] if done.returncode == ExitCode.OK else []


def test_a_page_that_was_not_served_cannot_be_replayed(up: Up) -> None:
    done = pagecast("page", "--replay", "elsewhere", cwd=up.folder)
    assert done.returncode == ExitCode.FAILED
    assert "no page elsewhere is in the offline log" in done.stderr
    both = pagecast("page", "ada", "--replay", "elsewhere", cwd=up.folder)
    assert both.returncode == ExitCode.BAD_INPUT
