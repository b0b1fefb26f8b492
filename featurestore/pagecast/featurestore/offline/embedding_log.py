"""Published embeddings as Parquet: a folder per run, a file for each kind and chunk of users.

A run resumes after its last written file, whatever ended it. Users are divided into chunks by a
hash of their id, so that only rows name a user, and a resumed run has the same chunks.
"""

import fcntl
import json
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pagecast.featurestore.models.embeddings import Embedding
from pagecast.featurestore.offline.files import exclusive, sweep, sync, write_whole

RUN_FILE = "run.json"

USERS = "users-"
"""Prefix of the names of users' files; the chunk's number follows."""

COLUMNS = pa.schema(
    [
        ("name", pa.string()),
        ("model_version", pa.string()),
        ("embedded_at", pa.timestamp("ms", tz="UTC")),
        ("topic_id", pa.string()),
        ("partition", pa.int32()),
        ("next_offset", pa.int64()),
        ("input", pa.list_(pa.float32())),
        ("output", pa.list_(pa.float32())),
    ]
)
"""Of every file. The version (topic id, partition, next offset) is a history's or the catalog's."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the batch job: what it was begun with, and when it was done, if it was."""

    model_version: str
    embedded_at_ms: int
    chunks: int
    finished_at_ms: int | None = None

    @property
    def name(self) -> str:
        """Sorts by time."""
        moment = datetime.fromtimestamp(self.embedded_at_ms / 1000, UTC)
        return f"{moment:%Y%m%dT%H%M%S}{self.embedded_at_ms % 1000:03d}-{self.model_version}"

    def chunk_of(self, user_id: str) -> int:
        return zlib.crc32(user_id.encode()) % self.chunks


class EmbeddingsInUse(RuntimeError):  # noqa: N818 - named by what is wrong
    """Another job writes embeddings there; the message says which."""


class EmbeddingLog:
    """The runs below `root`. One writer at a time; erasures may come at any time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def held(self, who: str) -> Iterator[None]:
        """The sole right to write runs until the block ends; the kernel frees a dead process's.

        Raises EmbeddingsInUse with the `who` of its holder.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".writer").open("a+b") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                holder = lock.read().decode() or "another process"
                raise EmbeddingsInUse(
                    f"{holder} writes embeddings below {self.root}: wait for its end, or end it"
                ) from error
            lock.truncate(0)
            lock.write(who.encode())
            lock.flush()
            yield
            lock.truncate(0)

    def runs(self) -> list[Run]:
        """The oldest first."""
        told = sorted(self.root.glob(f"*/{RUN_FILE}"))
        return [Run(**json.loads(path.read_bytes())) for path in told]

    def begin(self, model_version: str, at_ms: int, chunks: int) -> Run:
        """The newest run of this model if it is not finished, else a new one."""
        unfinished = [
            run
            for run in self.runs()
            if run.model_version == model_version and run.finished_at_ms is None
        ]
        if unfinished:
            return unfinished[-1]
        run = Run(model_version=model_version, embedded_at_ms=at_ms, chunks=chunks)
        self._tell(run)
        return run

    def finish(self, run: Run, at_ms: int) -> None:
        self._tell(replace(run, finished_at_ms=at_ms))

    def keep_newest(self, runs: int) -> None:
        """Removes all but the newest `runs`."""
        for run in self.runs()[:-runs]:
            shutil.rmtree(self.folder(run))

    def folder(self, run: Run) -> Path:
        return self.root / run.name

    def has(self, run: Run, part: str) -> bool:
        return self._path(run, part).exists()

    def write(self, run: Run, part: str, embeddings: Sequence[Embedding]) -> None:
        """Durable when it returns, and whole or not there at all. Raises OSError.

        Users' parts are written within `alone`.
        """
        write_whole(self._path(run, part), _encoded(_table(embeddings)))
        sync(self.folder(run))

    def read(self, run: Run) -> pa.Table:
        """All rows of a run with the column `kind`: `users`, `entities`, `genres`, `rows`."""
        tables = []
        for path in sorted(self.folder(run).glob("*.parquet")):
            table = pq.read_table(path, schema=COLUMNS)
            kind = path.stem.partition("-")[0]
            tables.append(table.append_column("kind", pa.array([kind] * len(table), pa.string())))
        return pa.concat_tables(tables)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Held from the look-up of who may not be written until the part is written, and by
        erasures: so either the writer sees an erasure, or the erasure sees what it has written."""
        self.root.mkdir(parents=True, exist_ok=True)
        with exclusive(self.root / ".lock"):
            yield

    def erase(self, user_id: str, topic_id: str, partition: int, before_offset: int) -> int:
        """Removes a user's rows, except those made from a history that had got further than that.

        Returns how many there were. May be repeated; durable when it returns. Raises OSError.
        """
        if not self.root.exists():
            return 0
        made_after = (
            (pc.field("topic_id") == topic_id)
            & (pc.field("partition") == partition)
            & (pc.field("next_offset") > before_offset)
        )
        doomed = (pc.field("name") == user_id) & ~made_after
        with self.alone():
            sweep(self.root)
            return sum(_erase(path, doomed) for path in self.root.glob(f"*/{USERS}*.parquet"))

    def _path(self, run: Run, part: str) -> Path:
        return self.folder(run) / f"{part}.parquet"

    def _tell(self, run: Run) -> None:
        folder = self.folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / RUN_FILE, json.dumps(asdict(run)).encode())
        sync(folder)
        sync(self.root)


def _table(embeddings: Sequence[Embedding]) -> pa.Table:
    return pa.table(
        {
            "name": [one.name for one in embeddings],
            "model_version": [one.model_version for one in embeddings],
            "embedded_at": [one.embedded_at_ms for one in embeddings],
            "topic_id": [one.version.topic_id for one in embeddings],
            "partition": [one.version.partition for one in embeddings],
            "next_offset": [one.version.next_offset for one in embeddings],
            "input": [one.input_D for one in embeddings],
            "output": [one.output_O for one in embeddings],
        },
        schema=COLUMNS,
    )


def _encoded(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    # Statistics would name users in the footer.
    pq.write_table(table, sink, compression="zstd", write_statistics=False)
    return sink.getvalue()


def _erase(path: Path, doomed: pc.Expression) -> int:
    table = pq.read_table(path, schema=COLUMNS)
    kept = table.filter(~doomed)
    gone = len(table) - len(kept)
    if gone:
        write_whole(path, _encoded(kept))
        sync(path.parent)
    return gone
