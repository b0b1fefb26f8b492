"""The positions between history and request: summaries, new entities, live ones.

Letters: C positions of the context, F fields.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.history.history import Total
from pagecast.featurestore.history.summary import Summary, Totals
from pagecast.featurestore.prompt.buckets import column, log_bucket
from pagecast.featurestore.prompt.context import Injected
from pagecast.featurestore.prompt.vocabulary import (
    EVENT_BUCKETS,
    FIELDS,
    GAP_BUCKETS,
    SEGMENT_LIVE,
    SEGMENT_NEW,
    SEGMENT_SUMMARY,
    WATCHED_BUCKETS,
    Vocabulary,
)
from pagecast.v1 import catalog_pb2

_KIND_IDS = {
    name.removeprefix("ENTITY_KIND_").lower(): number
    for name, number in catalog_pb2.EntityKind.items()
}


@dataclass(frozen=True, kw_only=True)
class EncodedContext:
    """`entity_ids` are the injected entities, "" at a summary's positions."""

    entity_ids: tuple[str, ...]
    fields_CF: npt.NDArray[np.int64]


def encode_context(
    summary: Summary, injected: Injected, at_ms: int, vocabulary: Vocabulary
) -> EncodedContext:
    """Encodes what stands before a request at `at_ms`.

    First the genres, kinds and rows with the most steps that have left the window, each with its
    steps (`events`), watched time and the time since the last one; then the injected entities.
    """
    summaries = [
        _summary_position(sort, number, total, at_ms)
        for sort, number, total in _strongest(summary, vocabulary)
    ]
    entity_ids = (*injected.new, *injected.live)
    fields_CF = np.zeros((len(summaries) + len(entity_ids), len(FIELDS)), np.int64)
    if summaries:
        fields_CF[: len(summaries)] = summaries
    injected_CF = fields_CF[len(summaries) :]
    injected_CF[:, column("segment")] = SEGMENT_NEW
    injected_CF[len(injected.new) :, column("segment")] = SEGMENT_LIVE
    return EncodedContext(entity_ids=("",) * len(summaries) + entity_ids, fields_CF=fields_CF)


def _strongest(summary: Summary, vocabulary: Vocabulary) -> Iterator[tuple[str, int, Total]]:
    """Field, index and total of each summary that is told; what has no name is not."""
    sorts: tuple[tuple[str, Totals, Mapping[str, int]], ...] = (
        ("genre", summary.genres, vocabulary.genre_ids),
        ("kind", summary.kinds, _KIND_IDS),
        ("row", summary.rows, vocabulary.row_ids),
    )
    for sort, totals, ids in sorts:
        named = [each for each in totals if each[0]]
        named.sort(key=_by_steps)
        for name, total in named[: vocabulary.context.summaries_max]:
            yield sort, ids.get(name, 0), total


def _by_steps(named: tuple[str, Total]) -> tuple[int, str]:
    name, total = named
    return -total.steps, name


def _summary_position(sort: str, number: int, total: Total, at_ms: int) -> npt.NDArray[np.int64]:
    fields_F = np.zeros(len(FIELDS), np.int64)
    fields_F[column("segment")] = SEGMENT_SUMMARY
    fields_F[column(sort)] = number
    fields_F[column("events")] = log_bucket(total.steps - 1, EVENT_BUCKETS)
    if total.watched_ms:
        fields_F[column("watched")] = log_bucket(total.watched_ms / 60_000, WATCHED_BUCKETS)
    fields_F[column("gap")] = log_bucket((at_ms - total.last_at_ms) // 1000, GAP_BUCKETS)
    return fields_F
