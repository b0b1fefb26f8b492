"""The benchmark of serving: its rows, and that it runs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from pagecast.cli.bench.serve import world
from pagecast.cli.bench.serve.alone import Timed
from pagecast.cli.bench.serve.asking import AskedPage
from pagecast.cli.bench.serve.config import ServeBenchConfig
from pagecast.cli.bench.serve.figures import ONNX, TORCH, rows_alone
from pagecast.cli.bench.serve.mask_world import mask_snapshot
from pagecast.cli.bench.serve.masks import measure_masks, ways_of
from pagecast.cli.bench.serve.served import Loaded, rows_of_loads
from pagecast.cli.bench.serve.swap_parts import rows_of_parts
from pagecast.cli.bench.serve.swaps import Swapped, rows_of_swaps
from pagecast.cli.main import app
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.config import ModelConfig


def loaded(pages: int, cpu_seconds: float, first_row_ms: float, refused: int = 0) -> Loaded:
    page = AskedPage(due_s=0.0, rows_s=[first_row_ms / 1000], ended_s=1.0)
    none = AskedPage(due_s=0.0, ended_s=1.0, code=grpc.StatusCode.RESOURCE_EXHAUSTED)
    return Loaded(pages=[page] * pages + [none] * refused, cpu_seconds=cpu_seconds)


def test_the_command_is_first_to_import_numpy_which_then_has_one_thread() -> None:
    code = (
        "import sys, pagecast.cli.main, pagecast.cli.commands.bench.serve;"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_ratio_of_pages_is_the_median_of_each_rounds() -> None:
    ours = Timed(page_ms=[10.0, 20.0, 10.0], placed=[1, 2, 3, 4])
    theirs = Timed(page_ms=[50.0, 100.0, 500.0], placed=[1, 2, 9, 4])
    ways = ("exact fp32", "hybrid fp32", "exact int8", "hybrid int8")
    rows = rows_alone(dict.fromkeys(ways, ours) | {TORCH: theirs, ONNX: theirs})
    assert [row.ratio for row in rows[:8]] == [5.0] * 8
    # What is to be reached was set for 8-bit weights.
    assert [row.reached for row in rows[:8]] == [None] * 4 + [False, True, False, False]
    assert [row.ours for row in rows[8:]] == [0.75, 0.75, 1.0]


def test_a_closed_loop_stands_beside_that_of_one_client() -> None:
    rows = rows_of_loads("exact", {1: loaded(10, 1.0, 20.0), 64: loaded(16, 2.0, 100.0)})
    by_name = {row.what: row for row in rows}
    pages = by_name["pages/CPU-s, exact, 64 clients"]
    assert (pages.ours, pages.theirs, pages.ratio, pages.reached) == (8.0, 10.0, 0.8, False)
    assert by_name["first row p50 ms, exact, 64 clients"].ratio == 5.0


def test_refused_pages_are_told() -> None:
    rows = rows_of_loads("exact", {1: loaded(10, 1.0, 20.0, refused=3)})
    assert ("refused or too late, exact, 1 clients", 3) in [(row.what, row.ours) for row in rows]


@pytest.mark.parametrize(
    "change",
    [
        {"entities": 10},
        {"prompt": 2},
        {"rounds": 0},
        {"mask_entities": (10,)},
        {"step_entities": (10,)},
    ],
)
def test_what_measures_nothing_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    sizes: dict[str, Any] = {"entities": 1000, "prompt": 20, "rounds": 1} | change
    with pytest.raises(ValueError, match="at least"):
        ServeBenchConfig(folder=tmp_path, seconds=1.0, clients=(1,), **sizes)


def test_masks_are_measured_for_whole_pages_beside_arrays_of_bool() -> None:
    said: list[str] = []
    rows = measure_masks([1000], 1, said.append)
    assert said == ["masks of 1,000 entities"]
    assert all(row.ours > 0 for row in rows)
    assert rows[0].beside == "arrays of bool"


def test_both_ways_of_masks_make_the_page_of_the_same_length() -> None:
    catalog = CompiledCatalog(mask_snapshot(3000))
    ours, full, bools = (way().steps for way in ways_of(catalog).values())
    assert ours == full == bools == 20 * 11


@pytest.mark.faults
def test_it_runs_and_ends_with_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a small model; pages are those of the peers token by token, but for near ties."""
    small = ModelConfig(d_model=64, layers=2, query_heads=2, kv_heads=1, mlp_hidden=64)
    monkeypatch.setattr(world, "MODEL", small)
    sizes = ["--entities", "1000", "--rounds", "1", "--seconds", "1", "--clients", "1,2"]
    sizes += ["--mask-entities", "1000", "--step-entities", "1000", "--swaps", "2"]
    command = ["bench", "serve", *sizes, "--json", "--state-dir", str(tmp_path)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout.splitlines()[-1])["rows"]
    assert all(
        {"what", "beside", "ours", "theirs", "ratio", "reach", "reached"} <= row.keys()
        for row in rows
    )
    same = {
        row["beside"]: row["ours"]
        for row in rows
        if row["what"].startswith("share of the exact page")
    }
    assert min(same[TORCH], same[ONNX]) > 0.9
    for table in (
        "first row p99 ms, open loop at 95% of peak",
        "pages/s, whole within 30 s, asked for",
        "transport, entities, messages of",
        "decode step, int8, 16 pages of",
        "pages/s, `--workers 2`",
        "event to first row made with it, p99 ms",
    ):
        assert any(row["what"].startswith(table) for row in rows), table


def swapped(**changes: Any) -> Swapped:
    fields: dict[str, Any] = {
        "steady_ms": [10.0] * 50,
        "during_ms": [10.0] * 50 + [25.0],
        "loading_ms": [10.0, 20.0, 25.0],
        "followed_s": [1.0, 1.5],
        "failed": 0,
        "left_out": 0,
        "resident_before": 300 << 20,
        "resident_after": 303 << 20,
    }
    return Swapped(**(fields | changes))


def test_swaps_stand_beside_the_same_load_without() -> None:
    rows = {row.what: row for row in rows_of_swaps(2, swapped())}
    p99 = rows["first row p99 ms at half of peak, during 2 swaps"]
    assert (p99.ours, p99.theirs, p99.reached) == (25.0, 10.0, False)
    loading = "first row p50 ms from a promotion to the new model's first page"
    assert rows[loading].ours == 20.0
    longest = rows["promotion to first page of the new model, longest s"]
    assert (longest.ours, longest.reached) == (1.5, True)
    assert rows["resident MiB of the server after 2 swaps"].ratio == pytest.approx(1.01)


def test_swaps_of_challengers_count_from_the_registration_and_stand_by_themselves() -> None:
    whats = {row.what for row in rows_of_swaps(2, swapped(ahead=True))}
    assert "first row p99 ms at half of peak, during 2 swaps of challengers" in whats
    assert "first row p50 ms from a registration to the new model's first page" in whats
    assert whats.isdisjoint(row.what for row in rows_of_swaps(2, swapped()))


def test_a_swap_that_nobody_asked_for_a_page_in_has_no_such_figure() -> None:
    whats = [row.what for row in rows_of_swaps(2, swapped(loading_ms=[]))]
    assert not any(what.endswith("new model's first page") for what in whats)


def test_what_a_swap_took_is_the_mean_of_those_that_were_measured() -> None:
    """The first model was taken up before; a part that no swap had is left out."""
    before = {"read": (1.0, 5.0), "embed": (1.0, 2.0), "check": (1.0, 1.0)}
    after = {"read": (3.0, 5.4), "embed": (3.0, 2.1), "check": (1.0, 1.0)}
    rows = {row.what: row.ours for row in rows_of_parts(before, after)}
    assert rows == {
        "of a swap, read, mean ms": pytest.approx(200.0),
        "of a swap, embed, mean ms": pytest.approx(50.0),
    }
