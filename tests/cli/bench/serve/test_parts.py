"""Which tables are measured."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pagecast.cli.bench.serve.config import TABLES, ServeBenchConfig
from pagecast.cli.bench.serve.parts import PARTS, measure_serve
from pagecast.cli.exits import InputError
from pagecast.cli.main import app


def config(folder: Path, **fields: Any) -> ServeBenchConfig:
    sizes: dict[str, Any] = {"entities": 1000, "prompt": 20, "rounds": 1, "seconds": 1.0}
    return ServeBenchConfig(folder=folder, clients=(1,), **(sizes | fields))


def test_every_table_has_its_part() -> None:
    assert tuple(PARTS) == TABLES


def test_a_table_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tables: 'pages' is none of alone, masks, steps"):
        config(tmp_path, tables=("masks", "pages"))


def test_only_the_chosen_tables_are_measured(tmp_path: Path) -> None:
    said: list[str] = []
    chosen = config(tmp_path, tables=("swaps", "masks"), mask_entities=(1000,))
    rows = measure_serve(chosen, said.append)
    # Neither asked for the world: no swaps were wanted, and masks have a catalog of their own.
    assert said == ["masks of 1,000 entities"]
    assert rows and all(row.what.startswith("mask") for row in rows)


def test_the_command_refuses_an_unknown_table(tmp_path: Path) -> None:
    command = ["bench", "serve", "--tables", "pages", "--state-dir", str(tmp_path)]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, InputError)
    assert list(tmp_path.iterdir()) == []
