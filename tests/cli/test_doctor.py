"""Doctor without a stack: what is missing is a note, what does not answer is broken."""

import json
from pathlib import Path

from cli.factories_cli import document, pagecast
from factories_stores import valkey_server

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


def test_an_online_store_that_answers_is_named_without_its_password(tmp_path: Path) -> None:
    with valkey_server(tmp_path / "valkey", password="a-secret") as server:
        here = tmp_path / "here"
        here.mkdir()
        done = pagecast("doctor", "--json", "--online-store-url", server.url, cwd=here)
        (found,) = [f for f in json.loads(done.stdout) if f["part"] == "online store"]
        assert found["health"] == "ok"
        assert found["text"] == f"redis://127.0.0.1:{server.port} answers"
        assert list(here.iterdir()) == []
        wrong = server.url.replace("a-secret", "guessed")
        done = pagecast("doctor", "--json", "--online-store-url", wrong, cwd=here)
        (found,) = [f for f in json.loads(done.stdout) if f["part"] == "online store"]
        assert found["health"] == "broken"
        assert "password" in found["text"]
        assert "guessed" not in done.stdout
    done = pagecast("doctor", "--json", "--online-store-url", server.url, cwd=here)
    (found,) = [f for f in json.loads(done.stdout) if f["part"] == "online store"]
    assert (found["health"], found["remedy"]) == ("broken", "start it, or mend online_store_url")
