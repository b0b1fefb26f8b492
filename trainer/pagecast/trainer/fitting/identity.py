"""Which training a checkpoint is of: what it was configured with, and what it learns from."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from pydantic import JsonValue

from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features
from pagecast.trainer.data.users import Window
from pagecast.trainer.starts.base import Start

NOT_OF_THE_RESULT = ("threads", "recompute", "checkpoint_every_s", "gate_users_min")
"""What may change on the way: how a training computes and is judged, not what it learns."""

TOLD_MAX = 8
"""Differences named in an error: the first few say what happened."""


def identity_of(
    config: TrainConfig,
    data: Dataset,
    examples: Examples,
    processes: int,
    start: Start | None = None,
) -> dict[str, JsonValue]:
    """Facts of a training by dotted name. Large ones are SHA-256 digests.

    The number of processes is among them: each has a generator of dropout, which must go on.
    """
    windows = examples.windows
    told = {k: v for k, v in config.to_json().items() if k not in NOT_OF_THE_RESULT}
    return {
        **dict(flat("config", told)),
        "data.vocabulary": _digest([data.vocabulary.to_json().encode()]),
        "data.catalog": _digest(_catalog(data)),
        "data.windows": len(windows),
        "data.steps": _digest(_steps(data, windows)),
        "data.logged_pages": _digest(examples.logged.digested()),
        "data.codebook": None if data.spelled_with is None else data.spelled_with.codebook.version,
        "processes": processes,
        "base": None if start is None else start.base.version,
    }


def differences(was: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> str:
    """What differs, in words; empty if nothing does."""
    names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    told = [f"{name} was {was.get(name)} and is {now.get(name)}" for name in names[:TOLD_MAX]]
    if len(names) > TOLD_MAX:
        told.append(f"{len(names) - TOLD_MAX} more")
    return ", ".join(told)


def flat(prefix: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Numbers, names and lists by dotted name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flat(f"{prefix}.{name}", inner)
    else:
        yield prefix, value


def _catalog(data: Dataset) -> Iterator[bytes]:
    for entity in data.catalog.entities:
        yield entity.entity_id.encode()
    for row in data.catalog.rows:
        yield row.row_id.encode()
    for _, feature in sorted(catalog_features(data.catalog, data.vocabulary).items()):
        yield np.ascontiguousarray(feature.numpy()).tobytes()


def _steps(data: Dataset, windows: Sequence[Window]) -> Iterator[bytes]:
    for user in data.columns:
        yield from (user.entity_N.tobytes(), user.weight_N.tobytes(), user.at_ms_N.tobytes())
    for window in windows:
        yield from (window.entity_T.tobytes(), window.fields_TF.tobytes(), window.cuts_C.tobytes())


def _digest(parts: Iterator[bytes] | Sequence[bytes]) -> str:
    """Of parts and where they end."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.hexdigest()[:16]
