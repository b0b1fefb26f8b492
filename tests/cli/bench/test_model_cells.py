"""Finished cells survive an interrupted run."""

import json
from pathlib import Path

import pytest

from pagecast.cli.bench.model_cells import DoneCells
from pagecast.cli.exits import InputError
from pagecast.trainer.benchmarks.cells import Cell, DataView

OF = {"commit": "abc", "data": "d1"}

CELL = Cell(table="ablations", name="no rows", settings={"overrides": {"objective.rows": 0.0}})


def test_what_was_done_is_found_by_another_run(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    DoneCells(path, OF).add(CELL, {"ndcg_at_10": 0.1})
    again = DoneCells(path, OF)
    assert again.get(CELL) == {"ndcg_at_10": 0.1}
    again.add(Cell(table="parity", name="tiny"), {"steps": 1.0})
    assert DoneCells(path, OF).get(CELL) == {"ndcg_at_10": 0.1}


@pytest.mark.parametrize(
    "other",
    [
        Cell(table="ablations", name="no rows"),
        Cell(table="ablations", name="no rows", settings=CELL.settings, seed=1),
        Cell(
            table="ablations",
            name="no rows",
            settings=CELL.settings,
            view=DataView(without=("genres",)),
        ),
    ],
)
def test_a_cell_of_other_settings_is_not_done(tmp_path: Path, other: Cell) -> None:
    done = DoneCells(tmp_path / "out.json", OF)
    done.add(CELL, {"ndcg_at_10": 0.1})
    assert done.get(other) is None


@pytest.mark.parametrize("name", ["commit", "data"])
def test_figures_of_another_commit_or_other_data_are_not_mixed_in(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "out.json"
    DoneCells(path, OF).add(CELL, {})
    with pytest.raises(InputError, match=f"is of {name} .* this run of 'other'"):
        DoneCells(path, {**OF, name: "other"})


@pytest.mark.parametrize("text", ["", "[]", '{"of": {}}', json.dumps({"of": OF, "cells": [{}]})])
def test_a_file_of_something_else_is_refused_and_stays(tmp_path: Path, text: str) -> None:
    path = tmp_path / "out.json"
    path.write_text(text)
    with pytest.raises(InputError, match="holds no cells"):
        DoneCells(path, OF)
    assert path.read_text() == text


def test_without_a_file_nothing_is_kept() -> None:
    done = DoneCells(None, OF)
    done.add(CELL, {"steps": 1.0})
    assert done.get(CELL) == {"steps": 1.0}
