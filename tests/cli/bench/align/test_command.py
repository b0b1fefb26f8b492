"""`pagecast bench align` from the command line."""

import json
from pathlib import Path

import pytest
from cli.factories_cli import document, pagecast
from typer.testing import CliRunner

from pagecast.cli.bench import machine
from pagecast.cli.bench.align.cells import ALIGNED, VALUED, VISITS, Measuring
from pagecast.cli.bench.align.comparisons import COMPARISONS
from pagecast.cli.bench.align.tables import LOOP, TABLES, tables_asked, tables_named
from pagecast.cli.exits import CliError, ExitCode
from pagecast.cli.main import app
from pagecast.trainer.data.snapshot import NothingToTrainError

TINY = ("bench", "align", "--quick", "--json", "--data", "made-up", "--members", "4")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--tables", "speed"), "--tables: 'speed' is none of contenders, "),
        (("--tables", ","), "--tables: name some of contenders, "),
        (("--contenders", "ours"), "--contenders: 'ours' is none of multi-stage / "),
        (("--seeds", "one"), "--seeds: 'one' is no list"),
        (("--seeds", "-1"), "--seeds: they must not be negative"),
        (("--out", "no/where.json"), "--out: no is no folder"),
    ],
)
def test_bad_input_exits_2_and_names_the_option(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, ["bench", "align", *arguments]).exception
    assert isinstance(error, CliError)
    assert error.exit_code == ExitCode.BAD_INPUT
    assert told in str(error)


@pytest.mark.parametrize("tables", [(), ("--tables", "findings")])
def test_a_contender_that_is_compared_with_nothing_is_refused(
    tables: tuple[str, ...], tmp_path: Path
) -> None:
    options = ("--contenders", "multi-stage", *tables, "--state-dir", str(tmp_path))
    error = CliRunner().invoke(app, [*TINY, *options]).exception
    assert isinstance(error, CliError)
    assert error.exit_code == ExitCode.BAD_INPUT
    assert "--contenders: multi-stage: nothing of" in str(error)


def test_too_little_to_learn_from_is_told_with_the_contender_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        raise NothingToTrainError("align: 3 logged pages")

    monkeypatch.setattr(Measuring, "measure", nothing)
    options = ("--contenders", "popularity", "--state-dir", str(tmp_path))
    error = CliRunner().invoke(app, [*TINY, *options]).exception
    assert isinstance(error, CliError)
    assert error.exit_code == ExitCode.FAILED
    assert "multi-stage, seed 0: align: 3 logged pages; ask for more --members" in str(error)


def test_all_tables_are_told_unless_some_are_named() -> None:
    assert tables_named(None) == [*TABLES, LOOP]
    assert tables_named("ids,off-policy,ids") == ["ids", "off-policy"]
    assert COMPARISONS.keys() < TABLES.keys()


def test_who_names_contenders_asks_for_the_tables_that_have_some() -> None:
    assert tables_asked(None, contenders=("popularity",)) == [*COMPARISONS]
    assert tables_asked("ids", contenders=("popularity",)) == ["ids"]


def test_a_table_alone_measures_nothing_else(tmp_path: Path) -> None:
    arguments = (*TINY, "--tables", "off-policy", "--state-dir", str(tmp_path))
    done = json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout)
    assert done["cells"] == []
    assert {row["estimator"] for row in done["tables"]["off-policy"]} == {"ips", "snips", "dr"}


@pytest.mark.faults
def test_a_cut_run_goes_on_from_its_file_and_measures_a_cell_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_commit", lambda: "of-one-commit")  # whoever edits meanwhile
    out = tmp_path / "out.json"
    options = ("--tables", "contenders,off-policy", "--contenders", "popularity")
    arguments = (*TINY, *options, "--out", str(out), "--state-dir", str(tmp_path))
    first = json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout)
    assert first.keys() >= {"machine", "date", "commit", "command", "data", "simulator_sha256"}
    assert first["tables"].keys() == {"contenders", "off-policy"}
    assert [cell["name"] for cell in first["cells"]] == ["multi-stage", "popularity"]
    told = json.loads(out.read_text())
    for done in told["cells"]:
        done["figures"]["reward"] = [2.0 * s for s in done["figures"]["sessions"]]
    out.write_text(json.dumps(told))
    again = json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout)
    rewards = [row for row in again["tables"]["contenders"] if row["metric"] == "reward"]
    assert [(row["ours"], row["theirs"]) for row in rewards] == [(2.0, 2.0)]


@pytest.mark.faults
def test_every_table_has_rows(tmp_path: Path) -> None:
    done = document(pagecast(*TINY, cwd=tmp_path, seconds_max=1800.0))
    tables = done["tables"]
    assert tables.keys() == TABLES.keys()
    assert {row["contender"] for row in tables["align"]["lifts"]} > {"dr-grpo", "grpo-sr"}
    assert {row["metric"] for row in tables["align"]["own"]} > {"said_page", "true", "distance"}
    assert {row["metric"] for row in tables["findings"]["logged_pages"]} >= {"value_loss"}
    assert {row["contender"] for row in tables["findings"]["lifts"]} >= {"WBC, no pretraining"}
    assert {row["name"] for row in tables["ids"]["rows"]} == {"entity tokens", "semantic IDs"}
    kept = {row["name"]: row["rules_kept"] for row in tables["ids"]["rows"]}
    assert kept["semantic IDs"] == 1.0
    assert {cell["table"] for cell in done["cells"]} == {VISITS, ALIGNED, VALUED, "ids"}
