"""Every block of docs/events.md runs, in the order of the document."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from eventlog.factories_eventlog import read_all
from streaming.factories_streaming import config, history_of, ingesting, stored

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import INTERACTIONS, PROFILES, dead_letter
from pagecast.eventlog.validation import BYTES_MAX, Reason
from pagecast.featurestore.history import Action
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.progress import wait_until_ingested

DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"
ADDRESS = "localhost:9092"


def blocks(language: str) -> list[str]:
    text = DOCUMENT.read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def command(name: str, bootstrap: str) -> list[str]:
    """The arguments of a console line of the document, for this test's broker."""
    [line] = [line for line in blocks("console") if f"pagecast {name} " in line]
    return line.replace(ADDRESS, bootstrap).removeprefix("$ pagecast ").split()


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
        for block in blocks("python"):
            exec(compile(block.replace(ADDRESS, bootstrap), str(DOCUMENT), "exec"), names)
        positions = {**names["producer"].acknowledged}
        names["producer"].close()
        wait_until_ingested(bootstrap, config(bootstrap, paths).group, positions, 30)

    assert "MALFORMED" in capsys.readouterr().out
    history = history_of(paths, "ada")
    assert history is not None
    # The file's play and stop are one step; the event that was sent twice is the other.
    assert [(s.action, s.entity_id, s.events) for s in history.steps] == [
        (Action.COMPLETE, "night-ferry", 2),
        (Action.PLAY_FEATURE, "night-ferry", 1),
    ]
    seen = stored(paths, ["ada"])
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
    assert stored(StatePaths(root=tmp_path / "rebuilt"), ["ada"]) == seen


def test_it_names_every_reason_and_limit() -> None:
    text = DOCUMENT.read_text()
    assert all(f"`{reason}`" in text for reason in Reason)
    assert f"{BYTES_MAX[INTERACTIONS] // 1024} KiB for an event" in text
    assert f"{BYTES_MAX[PROFILES] // 1024} KiB for a profile" in text
