"""How long reading a history takes, compared with the store's own client reading its bytes."""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pagecast.cli.bench.store_bytes import bytes_per_user
from pagecast.featurestore.history.fold import apply_token
from pagecast.featurestore.history.history import STEPS_MAX, Action, History, HistoryVersion
from pagecast.featurestore.history.packing import pack
from pagecast.featurestore.history.tokens import Context, Token
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths

ROUND_READS = 100
"""Reads in a row before the other side's turn, so that a busy machine slows both alike."""

DISTINCT = 16
"""Different histories, each written for many users: folding is not what is measured."""

FEAST_SHARE = 5
"""Reads of the others for each of Feast's own, which takes many times as long."""


@dataclass(frozen=True, kw_only=True)
class ReadsConfig:
    """What to measure."""

    users: int = 1_000
    """Users with a history of a full window, read in random order."""
    reads: int = 3_000
    """Reads of each side."""
    seed: int = 1
    """The same seed makes the same histories and the same order."""


class ReadRow(NamedTuple):
    """One figure of ours beside another of the same run."""

    what: str
    beside: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs if self.theirs else 0.0


class Timing(NamedTuple):
    """Timing of one call, as its caller sees it."""

    p50_us: float
    p99_us: float
    per_core_second: float
    """Calls in a second of this process's CPU time."""


def measure_reads(folder: Path, valkey_url: str | None, config: ReadsConfig) -> list[ReadRow]:
    """Rows for SQLite in `folder`, and for an empty Valkey or Redis if a URL is given.

    Raises one of STORE_TRANSIENT, or OnlineStoreRefused.
    """
    rows = _measure("SQLite", folder / "sqlite", None, config)
    if valkey_url is not None:
        rows += _measure("Valkey", folder / "valkey", valkey_url, config)
    return rows


def _measure(store: str, root: Path, url: str | None, config: ReadsConfig) -> list[ReadRow]:
    paths = StatePaths(root=root)
    users = [f"user-{n}" for n in range(config.users)]
    histories = _histories(config)
    values = [pack(history) for history in histories]
    with (
        closing(OnlineFeatures.open(paths, url)) as online,
        _raw_reader(root, url, users, values) as raw,
    ):
        size = bytes_per_user(paths, url, users, lambda: _write(online, users, histories))
        order = random.Random(config.seed).choices(users, k=config.reads)
        ours, unpacked, theirs = compare(
            order, (online.read_packed, online.read_user, raw), ROUND_READS
        )
        feast, beside = compare(
            order[: config.reads // FEAST_SHARE], (_feast_reader(paths, url), raw), ROUND_READS
        )
    name = "sqlite3 SELECT" if url is None else "redis-py GET"
    return [
        *_rows(f"history read, {store}", name, ours, theirs),
        *_rows(f"history read and unpacked, {store}", name, unpacked, theirs),
        *_rows(f"Feast's get_online_features, {store}", name, feast, beside),
        ReadRow(
            f"bytes per user, {store}", "packed history", size, sum(map(len, values)) / len(values)
        ),
    ]


def _rows(what: str, beside: str, ours: Timing, theirs: Timing) -> list[ReadRow]:
    return [
        ReadRow(f"{what}, p50 us", beside, ours.p50_us, theirs.p50_us),
        ReadRow(f"{what}, p99 us", beside, ours.p99_us, theirs.p99_us),
        ReadRow(
            f"{what}, per core and second", beside, ours.per_core_second, theirs.per_core_second
        ),
    ]


def compare(
    users: Sequence[str], readers: Sequence[Callable[[str], object]], round_reads: int
) -> list[Timing]:
    """The timing of each reader, in turns over the same users."""
    for read in readers:
        for user_id in users[:round_reads]:
            read(user_id)
    seconds: list[list[float]] = [[] for _ in readers]
    cpu_s = [0.0 for _ in readers]
    for begin in range(0, len(users), round_reads):
        for n, read in enumerate(readers):
            cpu_begin = time.process_time()
            for user_id in users[begin : begin + round_reads]:
                at = time.perf_counter()
                read(user_id)
                seconds[n].append(time.perf_counter() - at)
            cpu_s[n] += time.process_time() - cpu_begin
    return [_timing(sorted(times), cpu) for times, cpu in zip(seconds, cpu_s, strict=True)]


def _timing(times: list[float], cpu_s: float) -> Timing:
    at = [times[int(len(times) * share)] * 1e6 for share in (0.5, 0.99)]
    return Timing(at[0], at[1], len(times) / cpu_s)


def _histories(config: ReadsConfig) -> list[History]:
    """Full windows of plays, clicks and ratings, a third of them of entities seen before."""
    source = random.Random(config.seed)
    actions = (Action.CLICK, Action.PLAY_FEATURE, Action.VIEW_DETAILS, Action.RATE)
    made = []
    for number in range(DISTINCT):
        history = History(
            f"user-{number}", HistoryVersion(topic_id="bench", partition=0, next_offset=1)
        )
        offset, at_ms = 1, 1_767_571_200_000
        while len(history.steps) < STEPS_MAX - 1:
            at_ms += source.randrange(40 * 60_000, 12 * 60 * 60_000)
            token = Token(
                user_id=history.user_id,
                event_id=f"{number}-{offset}",
                at_ms=at_ms,
                action=int(source.choice(actions)),
                entity_id=f"entity-{source.randrange(340)}",
                row_id=f"row-{source.randrange(20)}",
                watched_ms=source.randrange(7_200_000),
                context=Context("tv", "NL", "nl", "home", f"session-{offset // 4}"),
            )
            apply_token(history, token, offset)
            offset += 1
        made.append(history)
    return made


def _write(online: OnlineFeatures, users: Sequence[str], histories: Sequence[History]) -> None:
    for begin in range(0, len(users), DISTINCT):
        batch = histories[: len(users) - begin]
        for user_id, history in zip(users[begin:], batch, strict=False):
            history.user_id = user_id
        online.write_histories(batch)


def _feast_reader(paths: StatePaths, url: str | None) -> Callable[[str], object]:
    from feast import FeatureStore

    from pagecast.featurestore.online.definitions import repo_config

    store = FeatureStore(config=repo_config(paths, url))
    return lambda user_id: store.get_online_features(
        features=["history:packed"], entity_rows=[{"user_id": user_id}]
    )


@contextmanager
def _raw_reader(
    root: Path, url: str | None, users: Sequence[str], values: Sequence[bytes]
) -> Iterator[Callable[[str], object]]:
    """The store's own client on a table, or keys, of its own."""
    pairs = [(user_id, values[n % len(values)]) for n, user_id in enumerate(users)]
    if url is None:
        with closing(sqlite3.connect(root / "raw.db", isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE raw (user TEXT PRIMARY KEY, value BLOB)")
            database.executemany("INSERT INTO raw VALUES (?, ?)", pairs)
            query = "SELECT value FROM raw WHERE user = ?"
            yield lambda user_id: database.execute(query, (user_id,)).fetchone()
        return
    from redis import Redis

    with Redis.from_url(url) as client:
        for user_id, value in pairs:
            client.set(f"raw:{user_id}", value)
        yield lambda user_id: client.get(f"raw:{user_id}")
