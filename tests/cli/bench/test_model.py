"""`pagecast bench model` from the command line, on made-up histories."""

import json
from pathlib import Path

import pytest
from cli.factories_cli import document, pagecast
from typer.testing import CliRunner

from pagecast.cli.bench.model_data import chosen_data
from pagecast.cli.exits import CliError, ExitCode
from pagecast.cli.main import app
from pagecast.featurestore.state import StatePaths

FIELDS = {"what", "beside", "ours", "theirs", "ratio", "reach", "reached"}

QUICK = ("bench", "model", "--quick", "--json", "--data", "made-up")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--tables", "speed"), "tables: 'speed' is none of quality"),
        (("--seeds", "one"), "seeds: 'one' is no list"),
        (("--seeds", "-1"), "seeds: give one at least"),
        (("--jobs", "1000"), "jobs must be between 1 and"),
        (("--out", "no/where.json"), "--out: no is no folder"),
        (("--data", "nowhere"), "--data: 'nowhere' is neither"),
    ],
)
def test_bad_input_exits_2_and_names_the_option(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, ["bench", "model", *arguments]).exception
    assert isinstance(error, CliError)
    assert error.exit_code == ExitCode.BAD_INPUT
    assert told in str(error)


def test_without_public_data_histories_are_made_up(tmp_path: Path) -> None:
    assert chosen_data(None, StatePaths(root=tmp_path)) == "made-up"
    assert chosen_data("ml-1m", StatePaths(root=tmp_path)) == "ml-1m"


@pytest.mark.faults
def test_a_cut_run_goes_on_from_its_file(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    arguments = (*QUICK, "--tables", "quality", "--out", str(out))
    first = document(pagecast(*arguments, cwd=tmp_path))
    assert first.keys() >= {"machine", "date", "commit", "command", "rows", "split_sha256"}
    assert first["quick"] is True
    assert all(row.keys() == FIELDS for row in first["rows"])
    told = json.loads(out.read_text())
    assert len(told["cells"]) == 2
    # What is done is not measured again: a figure that nothing could measure stays.
    for done in told["cells"]:
        done["figures"]["ndcg_at_10"] = 2.0
    out.write_text(json.dumps(told))
    again = document(pagecast(*arguments, cwd=tmp_path))
    assert again["rows"][0]["ours"] == 2.0
    assert [path.name for path in (tmp_path / ".pagecast" / "bench").iterdir()] == ["logs"]


@pytest.mark.faults
def test_every_table_has_rows(tmp_path: Path) -> None:
    plot = tmp_path / "plot.svg"
    done = pagecast(*QUICK, "--plot", str(plot), cwd=tmp_path, seconds_max=1800.0)
    rows = document(done)["rows"]
    for what in ("NDCG@10, leave-one-out", "validation NDCG@10, no rows", "tokens/CPU-s"):
        assert any(row["what"].startswith(what) for row in rows), what
    for what in ("validation NDCG@10, small", "largest difference of the graphs, tiny"):
        assert any(row["what"].startswith(what) for row in rows), what
    assert plot.read_text().startswith("<svg")
