"""`pagecast bench learn` from the command line, on made-up histories, and its rows."""

from pathlib import Path

import pytest
from cli.factories_cli import document, pagecast
from typer.testing import CliRunner

from pagecast.cli.bench.learn_rows import COST, DEFAULT, KEPT, OTHERS, learn_rows
from pagecast.cli.exits import CliError, ExitCode
from pagecast.cli.main import app
from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.benchmarks.learning import FULL, NEVER

FIELDS = {"what", "beside", "ours", "theirs", "ratio", "reach", "reached"}


def figures_of(ours: float, full: float, seconds: float) -> Figures:
    """Of one seed with two slices; a full retrain takes a hundred seconds."""
    ndcg = {DEFAULT: ours, FULL: full, NEVER: 0.05, **dict.fromkeys(OTHERS, ours)}
    return {
        **{f"ndcg_at_10, {name}": [value, value] for name, value in ndcg.items()},
        **{f"new_ndcg_at_10, {name}": [0.0, 0.0] for name in ndcg},
        **{f"old_ndcg_at_10, {name}": [0.2] for name in ndcg},
        **{f"cpu_seconds, {name}": [seconds, seconds] for name in (DEFAULT, *OTHERS)},
        f"cpu_seconds, {FULL}": [100.0, 100.0],
        f"optimizer_steps, {DEFAULT}": [3.0, 3.0],
        f"optimizer_steps, {FULL}": [90.0, 90.0],
        "targets": [10.0, 10.0],
        "new_targets": [0.0, 0.0],
    }


@pytest.mark.parametrize(
    ("ours", "seconds", "kept", "cheap"),
    [(0.1, 4.0, True, True), (0.0989, 4.0, False, True), (0.2, 4.1, True, False)],
)
def test_goals_are_of_a_full_retrain(ours: float, seconds: float, kept: bool, cheap: bool) -> None:
    rows = learn_rows([figures_of(ours, 0.1, seconds)] * 2)
    goals = {row.reach: row for row in rows if row.reach is not None}
    assert goals.keys() == {KEPT, COST}
    assert (goals[KEPT].reached, goals[COST].reached) == (kept, cheap)
    assert all(row.beside == FULL for row in goals.values())


def test_seeds_are_meant_and_told_apart() -> None:
    rows = learn_rows([figures_of(0.1, 0.1, 1.0), figures_of(0.3, 0.1, 1.0)])
    quality = [row for row in rows if row.what.startswith("NDCG@10 of the next slices")]
    assert quality[0].ours == pytest.approx(0.2)
    assert [row.ratio for row in quality if "seed" in row.what] == pytest.approx([1.0, 3.0])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--begin", "1.5"), "begin: give a share between 0 and 1"),
        (("--seeds", "one"), "seeds: 'one' is no list"),
        (("--jobs", "1000"), "jobs must be between 1 and"),
        (("--out", "no/where.json"), "--out: no is no folder"),
    ],
)
def test_bad_input_exits_2_and_names_the_option(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, ["bench", "learn", *arguments]).exception
    assert isinstance(error, CliError)
    assert error.exit_code == ExitCode.BAD_INPUT
    assert told in str(error)


@pytest.mark.faults
def test_a_quick_run_has_every_row(tmp_path: Path) -> None:
    done = pagecast(
        "bench", "learn", "--quick", "--json", "--data", "made-up",
        cwd=tmp_path, seconds_max=900.0,
    )  # fmt: skip
    told = document(done)
    assert told["quick"] is True
    assert all(row.keys() == FIELDS for row in told["rows"])
    assert {row["beside"] for row in told["rows"]} >= {FULL, NEVER}
