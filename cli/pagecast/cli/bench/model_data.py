"""The data of `pagecast bench model`: read once for each fold, pickled for the cells' processes."""

import pickle
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from pagecast.cli.data.source import ML_100K
from pagecast.cli.data.wheel import is_fetched
from pagecast.cli.evaluation.data import open_data
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.benchmarks.cells import DataView
from pagecast.trainer.benchmarks.made_up import USERS, made_up
from pagecast.trainer.benchmarks.views import some_users
from pagecast.trainer.evaluation.protocols.interactions import Interactions, interactions_of

FETCHED, MADE_UP = "ml-100k", "made-up"


def chosen_data(name: str | None, paths: StatePaths) -> str:
    """The data asked for; else MovieLens 100K if it was fetched, else made-up histories."""
    if name is not None:
        return name
    return FETCHED if is_fetched(ML_100K, paths.data / FETCHED / "source") else MADE_UP


@dataclass(kw_only=True)
class ModelData:
    """Data by view, as files in a folder that goes with the run."""

    name: str
    paths: StatePaths
    folder: Path
    users_max: int | None
    console: Console
    split_sha256: str = ""
    """Hash of the data as read by default; "" until they are read."""
    _files: dict[DataView, Path] = field(default_factory=dict)

    def file(self, view: DataView) -> Path:
        """Interactions of the view's reading, pickled. Raises InputError."""
        reading = view.reading
        if reading not in self._files:
            path = self.folder / f"data-{len(self._files)}.pickle"
            path.write_bytes(pickle.dumps(self._read(reading)))
            self._files[reading] = path
        return self._files[reading]

    def _read(self, view: DataView) -> Interactions:
        if self.name == MADE_UP:
            data, prefix = made_up(view.fold(), users=self.users_max or USERS), ""
        else:
            opened = open_data(self.name, self.paths, view.fold(), self.console)
            users, catalog = opened.interchange.users, opened.interchange.catalog
            data = interactions_of(users, catalog, view.engagement())
            prefix = opened.id_prefix
        if self.users_max is not None:
            data = some_users(data, self.users_max)
        if view == DataView():
            self.split_sha256 = data.split_sha256(prefix)
        return data
