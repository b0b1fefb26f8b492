"""Vectors of texts by content hash: one SQLite file, so that a text is embedded once.

Letters: C dimensions.
"""

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from pagecast.cli.exits import CommandError

FILE = "text-embeddings.db"

TOGETHER = 256
"""New vectors per transaction: Ctrl-C loses seconds of work, and commits cost next to nothing."""

BUSY_SECONDS = 30
"""A second command on the same state directory waits for the first one's transaction."""

_VALUES = np.dtype("<f4")


class TextCache:
    """Use it as a context manager: what was embedded is kept even if something fails.

    `made` counts the texts that had to be embedded.
    """

    def __init__(self, path: Path, model: str) -> None:
        """Raises CommandError if the file is not one of our caches."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._model, self.made = model, 0
        try:
            self._database = sqlite3.connect(path, timeout=BUSY_SECONDS)
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS vectors (digest BLOB PRIMARY KEY, vector BLOB NOT NULL)"
            )
        except sqlite3.Error as error:
            raise CommandError(f"{path}: {error}", "delete the file: it is only a cache") from error

    def vector(
        self, text: str, embed: Callable[[str], npt.NDArray[np.float32]]
    ) -> npt.NDArray[np.float32]:
        """The vector of a text, made by `embed` if it is not there."""
        digest = hashlib.sha256(f"{self._model}\0{text}".encode()).digest()
        found = self._database.execute(
            "SELECT vector FROM vectors WHERE digest = ?", (digest,)
        ).fetchone()
        if found is not None:
            return np.frombuffer(found[0], _VALUES)
        vector_C = embed(text)
        self._database.execute(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
            (digest, vector_C.astype(_VALUES).tobytes()),
        )
        self.made += 1
        if self.made % TOGETHER == 0:
            self._database.commit()
        return vector_C

    def __enter__(self) -> "TextCache":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.commit()
        self._database.close()
