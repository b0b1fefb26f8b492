"""Cells that are done, in a file: an interrupted run goes on after the last one."""

import json
from collections.abc import Mapping
from pathlib import Path

from pagecast.cli.exits import InputError
from pagecast.cli.output_files import replacing
from pagecast.trainer.benchmarks.cells import Cell, Figures


class DoneCells:
    """Figures by cell. With a file, every addition is on disk before the next cell begins.

    `of` are facts that all figures of a file must share: commit and data. Raises InputError if the
    file's facts are others, or it is not ours.
    """

    def __init__(self, path: Path | None, of: Mapping[str, str]) -> None:
        self._path, self._of = path, dict(of)
        self._done: dict[str, tuple[Cell, Figures]] = {}
        if path is not None and path.exists():
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            told = json.loads(path.read_text("utf-8"))
            was = told["of"]
            cells = [(Cell.from_json(one["cell"]), one["figures"]) for one in told["cells"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"--out: {path} holds no cells", "give another file") from error
        for name, value in self._of.items():
            if was.get(name) != value:
                raise InputError(
                    f"--out: {path} is of {name} {was.get(name)!r}, this run of {value!r}",
                    "give another file",
                )
        for cell, figures in cells:
            self._done[_key(cell)] = cell, figures

    def get(self, cell: Cell) -> Figures | None:
        found = self._done.get(_key(cell))
        return None if found is None else found[1]

    def add(self, cell: Cell, figures: Figures) -> None:
        self._done[_key(cell)] = cell, figures
        if self._path is None:
            return
        cells = [{"cell": c.to_json(), "figures": f} for c, f in self._done.values()]
        with replacing(self._path) as file:
            json.dump({"of": self._of, "cells": cells}, file, indent=1)


def _key(cell: Cell) -> str:
    return json.dumps(cell.to_json(), sort_keys=True)
