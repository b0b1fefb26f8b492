"""Catalog and profile changes: the same way as events, into the catalog and the profile view."""

from collections.abc import Sequence

from pagecast.eventlog.record import Record
from pagecast.eventlog.validation import ProfileErased
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.history.history import HistoryVersion, Profile
from pagecast.featurestore.history.packing import profile_of
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.positions import LogOffset
from pagecast.v1 import catalog_pb2, events_pb2


class ChangeWriter:
    """Writes changes where they belong. Both stores know by the offset what they contain."""

    def __init__(self, catalog: Catalog, online: OnlineFeatures, erasures: Erasures) -> None:
        self._catalog = catalog
        self._online = online
        self._erasures = erasures

    def write_catalog(self, changes: Sequence[tuple[Record, catalog_pb2.CatalogChange]]) -> None:
        """Returns when the catalog has numbered the changes."""
        if changes:
            self._catalog.apply([(_place(record), change) for record, change in changes])

    def write_profiles(
        self, changes: Sequence[tuple[Record, events_pb2.ProfileChange | ProfileErased]]
    ) -> None:
        """Returns when the newest profile of each user, in the order of the log, is stored.

        A profile from before an erasure of its user, which a replay brings again, is left out.
        """
        since_ms = self._erasures.requested_at_ms({change.user_id for _, change in changes})
        newest: dict[str, tuple[Profile | None, HistoryVersion]] = {
            change.user_id: (
                None if isinstance(change, ProfileErased) else profile_of(change),
                HistoryVersion(
                    topic_id=record.topic_id,
                    partition=record.partition,
                    next_offset=record.offset + 1,
                ),
            )
            for record, change in changes
            if _became_after(change, since_ms.get(change.user_id))
        }
        if newest:
            # A refused one is older than what is stored: a replay.
            self._online.write_profiles(newest)


def _became_after(change: events_pb2.ProfileChange | ProfileErased, since_ms: int | None) -> bool:
    """Whether a change is from after its user was forgotten, as `Eraser._delete_profile` has it."""
    if since_ms is None or isinstance(change, ProfileErased):
        return True
    return change.occurred_at.ToMilliseconds() > since_ms


def _place(record: Record) -> LogOffset:
    return LogOffset(topic_id=record.topic_id, partition=record.partition, offset=record.offset)
