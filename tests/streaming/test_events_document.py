"""Every block of docs/events.md runs, in the order of the document."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eventlog.factories_eventlog import read_all
from factories import free_port
from streaming.factories_streaming import config, history_of, ingest, ingesting, stored

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Reason
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PAGES, PROFILES, dead_letter
from pagecast.eventlog.validation import BYTES_MAX
from pagecast.featurestore.history.history import Action
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.progress import wait_until_ingested
from pagecast.streaming.replay import Outcome
from pagecast.streaming.trigger_config import Trigger

DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"
ADDRESS = "localhost:9092"
SERVER = "localhost:50051"


def blocks(language: str) -> list[str]:
    text = DOCUMENT.read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def command(name: str, bootstrap: str) -> list[str]:
    """The arguments of a console line of the document, for this test's broker."""
    [arguments] = commands(name)
    return [argument.replace(ADDRESS, bootstrap) for argument in arguments]


def commands(name: str) -> list[list[str]]:
    """The arguments of the console lines that begin so."""
    lines = [line for block in blocks("console") for line in block.splitlines()]
    beginning = f"$ pagecast {name}"
    return [line.split()[2:] for line in lines if f"{line} ".startswith(f"{beginning} ")]


def run_pagecast(arguments: list[str], bootstrap: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pagecast.cli", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PAGECAST_BOOTSTRAP_SERVERS": bootstrap,
            "PAGECAST_INGEST__METRICS_PORT": "0",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def serving(bootstrap: str, paths: StatePaths, folder: Path) -> Iterator[str]:
    """The address of a server that publishes to this broker."""
    port = free_port()
    options = ("--port", f"{port}", "--metrics-port", "0", "--state-dir", str(paths.root))
    server = run_pagecast(["serve", *options], bootstrap, folder)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        output, _ = server.communicate(timeout=30)
    assert "Traceback" not in output


def ends(records: Sequence[Record]) -> dict[tuple[str, int], int]:
    """The offsets after these records, of which none may be missing."""
    return {(r.topic, r.partition): r.offset + 1 for r in sorted(records, key=lambda r: r.offset)}


@pytest.mark.faults
def test_its_blocks_run_and_do_what_it_says(
    bootstrap: str, paths: StatePaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {}
    with EventProducer(bootstrap) as bad:
        bad.send_bytes(INTERACTIONS, b"ada", b"no event", {})
    (tmp_path / "events.jsonl").write_text("".join(blocks("json")))
    with ingesting(bootstrap, paths):
        publish = run_pagecast(command("publish", bootstrap), bootstrap, tmp_path)
        output, _ = publish.communicate(timeout=120)
        assert publish.returncode == 0, output
        assert len(read_all(bootstrap, dead_letter(INTERACTIONS), 1)) == 1
        with serving(bootstrap, paths, tmp_path) as server:
            for block in blocks("python"):
                here = block.replace(ADDRESS, bootstrap).replace(SERVER, server)
                exec(compile(here, str(DOCUMENT), "exec"), names)
        names["producer"].close()
        # One that is none, two of the file, one sent twice, two through the server, an impression.
        positions = names["producer"].acknowledged | ends(read_all(bootstrap, INTERACTIONS, 8))
        wait_until_ingested(bootstrap, config(bootstrap, paths).group, positions, 30)

    assert "2 events are in Kafka" in capsys.readouterr().out
    history = history_of(paths, "ada")
    assert history is not None
    # The file's play and stop are one step; the event that was sent twice is the other.
    assert [(s.action, s.entity_id, s.events) for s in history.steps] == [
        (Action.COMPLETE, "night-ferry", 2),
        (Action.PLAY_FEATURE, "night-ferry", 1),
    ]
    clicked = history_of(paths, "bob")
    assert clicked is not None
    assert [s.entity_id for s in clicked.steps] == ["night-ferry", "cup-final"]
    seen = stored(paths, ["ada", "bob"])
    assert {e.entity_id: e.retired for e in seen.catalog.entities} == {
        "night-ferry": True,
        "cup-final": False,
    }
    assert seen.profiles["ada"].maturity_limit == 12

    rebuild = run_pagecast(command("ingest", bootstrap), bootstrap, tmp_path)
    try:
        wait_until_ingested(bootstrap, "rebuild", positions, 120)
    finally:
        rebuild.send_signal(signal.SIGTERM)
        output, _ = rebuild.communicate(timeout=30)
    assert "Traceback" not in output
    rebuilt = StatePaths(root=tmp_path / "rebuilt")
    assert stored(rebuilt, ["ada", "bob"]) == seen

    for file in rebuilt.root.glob(f"{rebuilt.online_db.name}*"):
        file.unlink()
    ingest(bootstrap, rebuilt, positions, group="histories-anew")
    assert stored(rebuilt, ["ada", "bob"]) == seen


@pytest.mark.faults
def test_its_commands_for_dead_letters_run_and_do_what_it_says(
    bootstrap: str, paths: StatePaths, tmp_path: Path
) -> None:
    with EventProducer(bootstrap) as bad:
        bad.send_bytes(INTERACTIONS, b"ada", b"no event", {})
    with ingesting(bootstrap, paths):
        assert len(read_all(bootstrap, dead_letter(INTERACTIONS), 1)) == 1
    told = []
    for arguments in [*commands("dlt list"), *commands("dlt replay")]:
        running = run_pagecast(arguments, bootstrap, tmp_path)
        output, _ = running.communicate(timeout=120)
        assert running.returncode == 0, output
        told.append(output)
    listed, chosen, dry, replayed = told
    assert "MALFORMED" in listed
    assert '"letters": 0' in chosen
    assert "nothing was sent" in dry
    assert '"SENT": 1' in replayed
    assert len(read_all(bootstrap, INTERACTIONS, 2)) == 2


def test_it_names_every_metric_of_a_worker() -> None:
    text = DOCUMENT.read_text()
    source = (DOCUMENT.parents[1] / "streaming/pagecast/streaming/metrics.py").read_text()
    named = re.findall(r'"(pagecast_\w+)"', source)
    assert named
    assert [name for name in named if f"`{name}" not in text] == []


def test_it_names_every_reason_and_limit() -> None:
    text = DOCUMENT.read_text()
    assert all(f"`{reason}`" in text for reason in Reason)
    assert all(f"`{outcome}`" in text for outcome in Outcome if outcome is not Outcome.SENT)
    assert all(f"`{trigger.name}`" in text for trigger in Trigger)
    assert f"{BYTES_MAX[INTERACTIONS] // 1024} KiB for an event" in text
    assert f"{BYTES_MAX[CATALOG] // 1024} KiB for a catalog change or a page" in text
    assert BYTES_MAX[CATALOG] == BYTES_MAX[PAGES]
    assert f"{BYTES_MAX[PROFILES] // 1024} KiB for a profile" in text
