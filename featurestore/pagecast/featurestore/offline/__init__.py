"""The offline log (step 6 of the life of an event): one unmerged row per event and per page.

Two datasets of Parquet below one folder, `interactions/` and `pages/`, each with a folder per day
of part files that never change. A part becomes visible whole or not at all, and a batch only with
all of its parts: positions move last (`positions.py`). What a replay writes again overlaps what is
there; readers keep one row per key (topic id, partition, offset).
"""

from pagecast.featurestore.offline.compaction import Compacted
from pagecast.featurestore.offline.log import OfflineLog, UserLog
from pagecast.featurestore.offline.rows import LoggedEvent, LoggedPage, NextOffsets
from pagecast.featurestore.offline.schema import UnknownSchemaError

__all__ = [
    "Compacted",
    "LoggedEvent",
    "LoggedPage",
    "NextOffsets",
    "OfflineLog",
    "UnknownSchemaError",
    "UserLog",
]
