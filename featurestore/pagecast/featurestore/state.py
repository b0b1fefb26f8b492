"""Where everything Pagecast keeps on disk lives; every path derives from one directory."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class StatePaths:
    """The state directory and what is in it. Nothing is created before `create`."""

    root: Path

    @property
    def online_db(self) -> Path:
        """Feast's online store (SQLite)."""
        return self.root / "online.db"

    @property
    def feast_registry(self) -> Path:
        """Feast's own registry of entities and feature views."""
        return self.root / "feast_registry.db"

    @property
    def database(self) -> Path:
        """Catalog, popularity and model registry (SQLite), unless a database is configured."""
        return self.root / "pagecast.db"

    @property
    def database_url(self) -> str:
        """`database` as SQLAlchemy names it."""
        return f"sqlite:///{self.database.absolute()}"

    @property
    def offline(self) -> Path:
        """The offline log."""
        return self.root / "offline"

    @property
    def bundles(self) -> Path:
        """One directory per model version."""
        return self.root / "bundles"

    @property
    def training(self) -> Path:
        """Checkpoints of the training that runs or was interrupted."""
        return self.root / "training"

    @property
    def trainings(self) -> Path:
        """A directory for each training that `pagecast trainer` runs: its checkpoints."""
        return self.root / "trainings"

    @property
    def tasks(self) -> Path:
        """One directory per fitted task (`pagecast train --task`)."""
        return self.root / "tasks"

    @property
    def logs(self) -> Path:
        """Output of the local stack's processes."""
        return self.root / "logs"

    @property
    def data(self) -> Path:
        """Fetched data sets."""
        return self.root / "data"

    @property
    def run(self) -> Path:
        """What runs at the moment: ports and process ids."""
        return self.root / "run"

    def create(self) -> "StatePaths":
        """Makes the directories that are missing; returns itself."""
        for path in (self.offline, self.bundles, self.logs, self.data, self.run):
            path.mkdir(parents=True, exist_ok=True)
        return self
