"""What an interrupted training leaves: its checkpoints, and which data it was given."""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pagecast.featurestore.offline.files import sync, write_whole
from pagecast.featurestore.trainings.records import Pinned
from pagecast.trainer.fitting.checkpoint import Checkpoints
from pagecast.trainer.fitting.processes import Processes
from pagecast.trainer.semantic.teaching import clear_checkpoints, has_checkpoint


class FolderInUseError(RuntimeError):
    """Another training runs there."""


class TrainingFolder:
    """The folder of one training at a time, which is one process or one group.

    Events and changes of the catalog keep coming while a training is interrupted. It is resumed on
    the data it began with, so which data those are is kept beside the checkpoints.
    """

    def __init__(self, path: Path, processes: Processes) -> None:
        self.path, self._processes = path, processes
        self._pinned = path / "pinned.json"

    @contextmanager
    def held(self) -> Iterator[Self]:
        """Locks the folder until the block ends, however it ends. Raises FolderInUseError."""
        if not self._processes.first:
            yield self
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FolderInUseError(f"another training runs in {self.path}") from error
            yield self

    def begin(self, decide: Callable[[], Pinned], *, resume: bool) -> Pinned:
        """What this training learns from, in every process of a group.

        A training that is resumed keeps that and its checkpoints; any other removes what it finds
        and decides anew.
        """
        told = b""
        if self._processes.first:
            told = self._resumed() if resume else b""
            told = told or self._anew(decide())
        return Pinned.from_json(json.loads(self._processes.from_first(told)))

    def clear(self) -> None:
        """Removes the checkpoints: the training is over, or begins anew."""
        Checkpoints(self.path).clear()
        clear_checkpoints(self.path)

    def _resumed(self) -> bytes:
        """Empty if nothing was interrupted after its first checkpoint."""
        if not self._pinned.exists():
            return b""
        if not Checkpoints(self.path).newest() and not has_checkpoint(self.path):
            return b""
        return self._pinned.read_bytes()

    def _anew(self, decided: Pinned) -> bytes:
        self.clear()
        told = json.dumps(decided.to_json()).encode()
        write_whole(self._pinned, told)
        sync(self.path)
        return told
