"""Numbers become buckets, and fields columns."""

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.prompt.vocabulary import FIELDS


def column(field: str) -> int:
    """The column of a field of a position."""
    return FIELDS.index(field)


def log_bucket(values: npt.ArrayLike, buckets: int) -> npt.NDArray[np.int64]:
    """1 + floor(log2(1 + value)), at most `buckets` - 1; negative values count as 0."""
    positive = np.maximum(np.asarray(values, dtype=np.float64), 0.0)
    buckets_of = np.minimum(1 + np.floor(np.log2(1.0 + positive)), buckets - 1)
    return np.asarray(buckets_of, dtype=np.int64)
