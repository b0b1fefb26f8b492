"""Doctor without a stack: what is not there is a note, what does not answer is broken."""

import json
from pathlib import Path

from cli.factories_cli import document, pagecast

from pagecast.cli.exits import ExitCode


def test_nothing_at_all_is_noted_and_nothing_is_created(tmp_path: Path) -> None:
    findings = document(pagecast("doctor", "--json", cwd=tmp_path))
    health = {finding["part"]: finding["health"] for finding in findings}
    assert health["stack"] == health["broker"] == health["database"] == "note"
    assert all(finding["remedy"] for finding in findings if finding["health"] == "note")
    assert list(tmp_path.iterdir()) == []


def test_what_was_named_and_does_not_answer_is_broken(tmp_path: Path) -> None:
    (tmp_path / ".pagecast").mkdir()
    (tmp_path / ".pagecast" / "pagecast.db").write_text("this is no database")
    done = pagecast(
        *("doctor", "--json", "--bootstrap-servers", "127.0.0.1:1", "--server", "127.0.0.1:1"),
        cwd=tmp_path,
    )
    assert done.returncode == ExitCode.FAILED
    broken = {f["part"]: f for f in json.loads(done.stdout) if f["health"] == "broken"}
    assert set(broken) == {"broker", "server", "database"}
    assert all(finding["remedy"] for finding in broken.values())
