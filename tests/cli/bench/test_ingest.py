"""The whole benchmark, short and without Quix Streams."""

import json
from pathlib import Path

import pytest
from cli.factories_cli import pagecast

from pagecast.cli.exits import ExitCode

QUICK = ("bench", "ingest", "--quick", "--json")


def test_what_cannot_be_skipped_is_named(tmp_path: Path) -> None:
    done = pagecast(*QUICK, "--skip", "quix,kafka", cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_INPUT
    assert "skip: kafka is none of bare, sqlite" in done.stderr


@pytest.mark.faults
def test_every_figure_stands_beside_another_of_the_same_run(tmp_path: Path) -> None:
    done = pagecast(*QUICK, "--skip", "quix,quix-append,reads", cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.keys() >= {"machine", "date", "commit", "command", "rows", "rounds"}
    assert told["rounds"].keys() == {"bare", "worker", "confluent", "sqlite"}
    fields = {"what", "beside", "ours", "theirs", "ratio", "reach", "reached"}
    assert all(row.keys() == fields and row["ours"] > 0 for row in told["rows"])
    assert [row["beside"] for row in told["rows"][:3]] == [
        "kafka-python, polls and parses",
        "the worker, kafka-python",
        "the worker, Valkey",
    ]
    assert sum(row["what"].startswith("event_to_feature_seconds") for row in told["rows"]) == 8
    # Nothing but logs, and the environment there would be, is left.
    assert [path.name for path in (tmp_path / ".pagecast" / "bench").iterdir()] == ["logs"]
