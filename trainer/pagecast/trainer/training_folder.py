"""What an interrupted training leaves: its checkpoints, and which data it was given."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter

from pagecast.featurestore.offline import NextOffsets
from pagecast.featurestore.offline.files import sync, write_whole
from pagecast.trainer.checkpoint import Checkpoints
from pagecast.trainer.processes import Processes
from pagecast.trainer.semantic.teaching import clear_checkpoints

_POSITIONS = TypeAdapter(list[tuple[str, int, int]] | None)


class FolderInUseError(RuntimeError):
    """Another training runs there."""


class TrainingFolder:
    """The folder of one training at a time, which is one process or one group.

    Events keep coming while a training is interrupted. It is resumed on the data it began with,
    so where those end is kept beside the checkpoints.
    """

    def __init__(self, path: Path, processes: Processes) -> None:
        self.path, self._processes = path, processes
        self._until = path / "until.json"

    @contextmanager
    def held(self) -> Iterator[Self]:
        """Nobody else's until the end, whatever ends it. Raises FolderInUseError."""
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

    def begin(self, until: Callable[[], NextOffsets | None], *, resume: bool) -> NextOffsets | None:
        """Where the data of this training end, in every process of a group.

        A training that is resumed keeps its end and its checkpoints; any other removes what it
        finds and asks `until`.
        """
        told = b""
        if self._processes.first:
            told = self._resumed() if resume else b""
            told = told or self._anew(until())
        positions = _POSITIONS.validate_json(self._processes.from_first(told))
        if positions is None:
            return None
        return {(topic_id, partition): offset for topic_id, partition, offset in positions}

    def _resumed(self) -> bytes:
        """Empty if nothing was interrupted after its first checkpoint."""
        if not self._until.exists() or not Checkpoints(self.path).newest():
            return b""
        return self._until.read_bytes()

    def _anew(self, until: NextOffsets | None) -> bytes:
        Checkpoints(self.path).clear()
        clear_checkpoints(self.path)
        ends = None if until is None else [(*key, offset) for key, offset in sorted(until.items())]
        told = _POSITIONS.dump_json(ends)
        write_whole(self._until, told)
        sync(self.path)
        return told
