"""The life of a model, step 10: embeddings of everybody and everything, for other systems.

Each chunk goes to the online store first and then to a Parquet file, which says that it is done:
ended anywhere, the job goes on after the last file, and what it writes again is the same.

Letters in names: N entities of the snapshot, O width of output embeddings.
"""

import os
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.engine.vectors.user_encoder import UserEncoder
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.history.history import History, Profile
from pagecast.featurestore.models.embeddings import Embedding, EmbeddingKind
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.offline.embedding_log import USERS, Run
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.prompt.prompt import RequestHalf, build_prompt
from pagecast.server.predictions.catalog_embeddings import EMBEDDED, PARTS

CHUNK_USERS = 500
"""About how many users a chunk has: some seconds of work, which is what an ended job loses."""

RUNS_KEPT = 3
"""Runs that are kept as Parquet: as many as models are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the job is. `resumed` parts were written before it was resumed."""

    parts_done: int
    parts: int
    resumed: int
    users: int
    entities: int
    genres: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class EmbeddingStores:
    """Where users are read and embeddings written."""

    online: OnlineFeatures
    offline: OfflineLog
    erasures: Erasures


_NOTHING: FloatArray = np.zeros(0, np.float32)


class EmbeddingJob:
    """Writes the embeddings of one model. One job at a time in a state directory."""

    def __init__(
        self,
        model: Model,
        stores: EmbeddingStores,
        *,
        chunk_users: int = CHUNK_USERS,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._model = model
        self._stores = stores
        self._log = stores.offline.embeddings
        self._chunk_users = chunk_users
        self._clock_ms = clock_ms
        self._encoder = UserEncoder(PrefixCache(0))
        self._written: dict[str, int] = defaultdict(int)

    def run(self, told: Callable[[Progress], None] = lambda _: None) -> Run:
        """Begins a run, or goes on with an unfinished one of this model.

        Raises EmbeddingsInUse while another job runs, EngineError, and what the stores raise; it
        may then be called again.
        """
        with self._log.held(self._who()):
            return self._run(told)

    def _who(self) -> str:
        """Names this job to one that is refused because of it."""
        now = datetime.fromtimestamp(self._clock_ms() / 1000, UTC)
        host, since = socket.gethostname(), f"{now:%Y-%m-%d %H:%M:%S} UTC"
        return f"process {os.getpid()} on {host} (since {since})"

    def _run(self, told: Callable[[Progress], None]) -> Run:
        user_ids = _user_ids(self._stores.offline)
        chunks = max(1, -(-len(user_ids) // self._chunk_users))
        run = self._log.begin(self._model.version, self._clock_ms(), chunks)
        by_chunk: dict[int, list[str]] = defaultdict(list)
        for user_id in user_ids:
            by_chunk[run.chunk_of(user_id)].append(user_id)
        parts = [*PARTS.values(), *(f"{USERS}{chunk:05d}" for chunk in range(run.chunks))]
        resumed = sum(self._log.has(run, part) for part in parts)
        for done, part in enumerate(parts):
            told(self._progress(done, len(parts), resumed))
            if not self._log.has(run, part):
                chunk = int(part.removeprefix(USERS)) if part.startswith(USERS) else None
                if chunk is None:
                    self._write_of_catalog(run, part)
                else:
                    self._write_users(run, part, by_chunk[chunk])
        self._log.finish(run, self._clock_ms())
        self._log.keep_newest(RUNS_KEPT)
        told(self._progress(len(parts), len(parts), resumed))
        return run

    def _write_of_catalog(self, run: Run, part: str) -> None:
        kind = next(kind for kind, name in PARTS.items() if name == part)
        embeddings = list(EMBEDDED[kind](self._model, run.embedded_at_ms))
        self._stores.online.write_embeddings(kind, embeddings)
        self._log.write(run, part, embeddings)
        self._written[part] += len(embeddings)

    def _write_users(self, run: Run, part: str, user_ids: Sequence[str]) -> None:
        embeddings = [
            self._of_user(run, user_id, history, profile)
            for user_id, history, profile in self._read(user_ids)
        ]
        # Users who were forgotten meanwhile are refused here, by the version of the history...
        self._stores.online.write_embeddings(EmbeddingKind.USER, embeddings)
        with self._log.alone():  # ...and here by the tombstone, or the erasure finds the file.
            floors = self._stores.erasures.floors([one.name for one in embeddings])
            kept = [one for one in embeddings if not _is_below(one, floors.get(one.name, {}))]
            self._log.write(run, part, kept)
        self._written["users"] += len(kept)

    def _read(self, user_ids: Sequence[str]) -> Iterator[tuple[str, History, Profile]]:
        """Users with a history: those who were forgotten have none."""
        histories = self._stores.online.read_histories(user_ids)
        profiles = self._stores.online.read_profiles(user_ids)
        for user_id, history in histories.items():
            yield user_id, history, profiles.get(user_id, Profile())

    def _of_user(self, run: Run, user_id: str, history: History, profile: Profile) -> Embedding:
        """As of the run's moment, on no device and in no country."""
        model = self._model
        prompt = build_prompt(
            history,
            profile,
            RequestHalf(at_ms=run.embedded_at_ms),
            catalog=model.snapshot,
            steps_max=model.bundle.manifest.model.steps_max,
            context=model.bundle.vocabulary.context,
        )
        assert history.version is not None, "stored histories have one"
        hidden_O = self._encoder.encode(model, user_id, prompt).hidden_O
        return Embedding(
            name=user_id,
            model_version=model.version,
            embedded_at_ms=run.embedded_at_ms,
            version=history.version,
            output_O=model.bundle.stabilisation.users(hidden_O),
            input_D=_NOTHING,
        )

    def _progress(self, done: int, parts: int, resumed: int) -> Progress:
        written = self._written
        return Progress(
            parts_done=done,
            parts=parts,
            resumed=resumed,
            users=written["users"],
            entities=written["entities"],
            genres=written["genres"],
            rows=written["rows"],
        )


def _user_ids(log: OfflineLog) -> list[str]:
    """All users with an event in the offline log, in order."""
    column = log.scan(["user_id"])["user_id"]
    return sorted(column.unique().to_pylist())


def _is_below(embedding: Embedding, floors: dict[tuple[str, int], int]) -> bool:
    """Whether it was made from a history that ends before an erasure of its user."""
    version = embedding.version
    return version.next_offset <= floors.get((version.topic_id, version.partition), 0)
