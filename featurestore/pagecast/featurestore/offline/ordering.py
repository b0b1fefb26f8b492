"""Rows in the order of their key, each key once."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pagecast.featurestore.offline.schema import KEY


def codes(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int64]:
    """For each value of a string column its rank among the column's values.

    Sorting numbers takes a tenth of the time of sorting strings.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    encoded = column.dictionary_encode()
    rank_of = np.empty(len(encoded.dictionary), np.int64)
    rank_of[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(rank_of))
    ranks: npt.NDArray[np.int64] = rank_of[encoded.indices.to_numpy()]
    return ranks


def in_order(table: pa.Table) -> pa.Table:
    """Sorts by key and keeps the first row of each key."""
    if len(table) < 2:
        return table
    topic = codes(table["topic_id"])
    partition, offset = (table[name].to_numpy() for name in KEY[1:])
    order = np.lexsort((offset, partition, topic))
    key = np.stack([topic[order], partition[order], offset[order]])
    first = np.ones(len(order), np.bool_)
    first[1:] = (key[:, 1:] != key[:, :-1]).any(axis=0)
    kept = order[first]
    if len(kept) == len(table) and (kept[1:] > kept[:-1]).all():
        return table
    return table.take(pa.array(kept))
