"""Rows between two positions of the log: which parts may hold them, and which rows they are."""

from functools import reduce
from operator import and_, or_

import pyarrow.compute as pc
import pyarrow.dataset as ds

from pagecast.featurestore.offline.parts import Part, digest, same_topic
from pagecast.featurestore.offline.rows import NextOffsets


def may_hold(part: Part, until: NextOffsets | None, after: NextOffsets | None) -> bool:
    """Whether, by its name, a part may hold rows between two positions."""
    name = part.name
    if name is None:
        return True
    begins = [
        begin
        for (topic_id, partition), begin in (after or {}).items()
        if partition == name.partition and same_topic(name, digest(topic_id))
    ]
    if begins and name.last < min(begins):
        return False
    return until is None or any(
        partition == name.partition and same_topic(name, digest(topic_id)) and name.first < end
        for (topic_id, partition), end in until.items()
    )


def between(until: NextOffsets | None, after: NextOffsets | None) -> ds.Expression | None:
    """The condition for a row to be between them; None if every row is."""
    conditions: list[ds.Expression] = []
    if until is not None:
        conditions.append(
            reduce(or_, [_of(key) & (ds.field("offset") < to) for key, to in until.items()])
        )
    for key, begin in (after or {}).items():
        conditions.append(~_of(key) | (ds.field("offset") >= begin))
    return reduce(and_, conditions) if conditions else None


def _of(key: tuple[str, int]) -> ds.Expression:
    topic_id, partition = key
    return (pc.field("topic_id") == topic_id) & (pc.field("partition") == partition)
