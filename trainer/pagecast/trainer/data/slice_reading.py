"""Reads the next slice of the timeline from the log: its users, and those replayed.

Letters: X events.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pagecast.featurestore.offline import NextOffsets, OfflineLog
from pagecast.trainer.data.slices import draw_replayed
from pagecast.trainer.data.snapshot import NothingToTrainError, Snapshot, Source, by_partition
from pagecast.trainer.starts.base import Base


@dataclass(frozen=True, kw_only=True)
class ReadSlice:
    """New and replayed users' steps; `known_ms` is when the newest event before the slice was."""

    snapshot: Snapshot
    replayed: frozenset[str]
    known_ms: int


def read_slice(
    source: Source, base: Base, until: NextOffsets | None, *, replay_share: float, seed: int
) -> ReadSlice:
    """What happened from where the base's data end up to `until`.

    Two columns are read of all events; the others are read, and folded, only for the chosen users.
    Raises NothingToTrainError if the slice has no events.
    """
    events = OfflineLog(source.paths.offline).scan(["user_id", "occurred_at"], until=until)
    new_X, positions = _new(events, base.positions)
    if not new_X.any():
        raise NothingToTrainError(
            f"offline log: no events after the data of the base {base.version}: ingest later ones, "
            "or hold less of them out"
        )
    user_ids = events["user_id"].combine_chunks()
    old = _counted(user_ids.filter(pa.array(~new_X)))
    replayed = draw_replayed(old, int(new_X.sum()), replay_share, (seed, base.incremental_runs))
    chosen = replayed | set(user_ids.filter(pa.array(new_X)).unique().to_pylist())
    known_ms = events["occurred_at"].cast(pa.int64()).to_numpy()[~new_X]
    snapshot = source.read(until=until, known=base.positions, user_ids=sorted(chosen))
    return ReadSlice(
        snapshot=replace(snapshot, positions=positions),
        replayed=replayed,
        known_ms=int(known_ms.max()) if len(known_ms) else 0,
    )


def _new(
    events: pa.Table, known: NextOffsets
) -> tuple[npt.NDArray[np.bool_], dict[tuple[str, int], int]]:
    """`new_X`: which events lie behind the known positions; and where the events end."""
    offsets = events["offset"].to_numpy()
    new_X = np.zeros(len(offsets), np.bool_)
    positions = {}
    for key, rows in by_partition(events):
        new_X[rows] = offsets[rows] >= known.get(key, 0)
        positions[key] = int(offsets[rows][-1]) + 1
    return new_X, positions


def _counted(user_ids: pa.Array) -> dict[str, int]:
    values, counts = pc.value_counts(user_ids).flatten()
    return dict(zip(values.to_pylist(), counts.to_pylist(), strict=True))
