"""What a run of the loop has done, in a folder: an interrupted run goes on after its last day."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from pagecast.cli.bench.align.folder import open_folder, write_json
from pagecast.cli.bench.align.loop.rows import Row

_ROWS = "rows.json"


class KeptRun:
    """`of` are facts that everything in a folder must share: commit, data and the run's settings.

    Raises InputError if the folder's facts are others.
    """

    def __init__(self, folder: Path, of: Mapping[str, str]) -> None:
        self._folder = open_folder(folder, of)

    def first(self, model: str, seed: int) -> Path:
        """Where the model lies that arms of a kind begin with."""
        return self._folder / f"first-{_plain(model)}-{seed}"

    def checkpoints(self, model: str, seed: int) -> Path:
        """Where its training goes on from."""
        return self._folder / f"training-{_plain(model)}-{seed}"

    def arm(self, name: str, seed: int) -> "KeptArm":
        return KeptArm(self._folder / f"{_plain(name)}-{seed}")


class KeptArm:
    """An arm's log, its models and the rows of its days.

    `all_left` says that all members have left, so no day is to come.
    """

    def __init__(self, folder: Path) -> None:
        self.log, self.models = folder / "log", folder / "models"
        folder.mkdir(exist_ok=True)
        self._path = folder / _ROWS
        self.rows: list[Row] = []
        self.all_left = False
        if self._path.exists():
            told = json.loads(self._path.read_text("utf-8"))
            self.rows = [Row.from_json(one) for one in told["rows"]]
            self.all_left = told["all_left"]

    def done(self, days: int) -> bool:
        return self.all_left or len(self.rows) >= days

    def add(self, row: Row) -> None:
        """Adds the next day; one that is done again replaces its equal."""
        self.rows[row.day : row.day + 1] = [row]
        self.all_left = not row.members
        told = {"rows": [one.to_json() for one in self.rows], "all_left": self.all_left}
        write_json(self._path, told)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name)
