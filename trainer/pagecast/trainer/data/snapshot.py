"""What a training reads: the offline log and the catalog as of log positions, nothing else."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.history.fold import DEFAULT_FOLD, FoldConfig
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.offline import LoggedEvent, NextOffsets, OfflineLog
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.replay import UserSteps, replay

ReadProfiles = Callable[[Sequence[str]], Mapping[str, Profile]]
"""Profiles by user id; users without one may be missing."""


EARLY_HELD_OUT_MAX = 0.5
"""Share of what happened before a cut that may be held out with what came after it. A few events
come late in any log; of one written person by person, only a hundredth would be trained on."""


class NothingToTrainError(ValueError):
    """The feature store holds nothing a model could be trained on, or evaluated on."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Users' steps and the catalog as of `positions`."""

    catalog: CatalogSnapshot
    users: tuple[UserSteps, ...]
    positions: NextOffsets

    @property
    def steps(self) -> int:
        return sum(len(user.steps) for user in self.users)

    @property
    def newest_ms(self) -> int:
        """When the newest step began, milliseconds since 1970."""
        return max(
            (step.occurred_at_ms for user in self.users for step in user.steps[-1:]), default=0
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the snapshots come from. `database_url` None is the state directory's own."""

    paths: StatePaths
    database_url: str | None = None
    fold: FoldConfig = DEFAULT_FOLD
    """How events become steps: as ingest was told."""
    read_profiles: ReadProfiles | None = None
    """A profile enters prompts only from the moment it became so; without this, nothing is known
    of any user."""
    catalog_number: int | None = None
    """The catalog that is read; None is the newest."""

    def newest_catalog_number(self) -> int:
        with self._catalog() as catalog:
            return catalog.number()

    def read_catalog(self) -> CatalogSnapshot:
        """Raises NothingToTrainError if the catalog is empty, or has not come that far."""
        with self._catalog() as store:
            try:
                catalog = store.snapshot(self.catalog_number)
            except ValueError as error:
                raise NothingToTrainError(
                    f"{error}: it is another database's since the training began; train anew"
                ) from error
        if not catalog.entities or not catalog.rows:
            raise NothingToTrainError(
                "catalog: no entities or no rows; publish the catalog and wait for its ingest"
            )
        return catalog

    def read(
        self,
        *,
        until: NextOffsets | None = None,
        known: NextOffsets | None = None,
        user_ids: Sequence[str] | None = None,
    ) -> Snapshot:
        """The log up to `until` (None: all of it); steps that begin at or after `known` are new.

        With `user_ids` only theirs, and positions end with their events. Raises
        NothingToTrainError if the catalog or the log is empty.
        """
        log = OfflineLog(self.paths.offline)
        events = log.read(until=until, user_ids=user_ids)
        if not events:
            raise NothingToTrainError(
                f"offline log: no events in {self.paths.offline}; publish events and ingest them"
            )
        catalog = self.read_catalog()
        by_user = _by_user(events)
        profiles = self._profiles({user_id for _, user_id in by_user})
        users = tuple(
            replay(
                user_id,
                rows,
                profile=profiles.get(user_id, Profile()),
                known=known,
                fold=self.fold,
            )
            for (_, user_id), rows in by_user.items()
        )
        return Snapshot(catalog=catalog, users=users, positions=_positions(events))

    @contextmanager
    def _catalog(self) -> Iterator[Catalog]:
        engine = connect(self.database_url or self.paths.database_url)
        try:
            migrate(engine)
            yield Catalog(engine)
        finally:
            engine.dispose()

    def _profiles(self, user_ids: Iterable[str]) -> Mapping[str, Profile]:
        return self.read_profiles(sorted(user_ids)) if self.read_profiles is not None else {}


def positions_before_last(
    paths: StatePaths, share: float, after: NextOffsets | None = None
) -> NextOffsets:
    """Log positions that leave about the last `share` of the log's time span after them.

    With `after`, of the log behind those positions. Each partition is cut before its first event at
    or after that moment. Raises NothingToTrainError if nothing lies before the cut or nothing after
    it, or if the log is not in time order.
    """
    events, moments = _moments(paths, after)
    if not len(moments) or moments.min() == moments.max():
        raise NothingToTrainError("offline log: too few events to hold some out; ingest more")
    late = moments >= moments.max() - share * (moments.max() - moments.min())
    return _before(events, late, after)


def positions_before(paths: StatePaths, moment_ms: int) -> NextOffsets:
    """Log positions that leave the events from a moment on after them, cut in the same way.

    Raises NothingToTrainError if nothing lies before the moment or nothing after it, or if the log
    is not in time order.
    """
    events, moments = _moments(paths)
    late = moments >= moment_ms
    if late.all() or not late.any():
        raise NothingToTrainError(
            "until: no events lie before that moment, or none after it, to train and evaluate on"
        )
    return _before(events, late)


def _moments(
    paths: StatePaths, after: NextOffsets | None = None
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """The log's events, and when each happened in milliseconds since 1970."""
    events = OfflineLog(paths.offline).scan(["occurred_at"], after=after)
    return events, events["occurred_at"].cast(pa.int64()).to_numpy()


def _before(
    events: pa.Table, late: npt.NDArray[np.bool_], after: NextOffsets | None = None
) -> NextOffsets:
    """Raises NothingToTrainError if that holds out most of what is not `late`, too."""
    offsets = events["offset"].to_numpy()
    positions = dict(after or {})
    early_held_out = 0
    for key, rows in by_partition(events):
        held_out = offsets[rows][late[rows]]
        positions[key] = int(held_out[0] if len(held_out) else offsets[rows][-1] + 1)
        early_held_out += int((offsets[rows][~late[rows]] >= positions[key]).sum())
    early = int((~late).sum())
    if early_held_out > EARLY_HELD_OUT_MAX * early:
        raise NothingToTrainError(
            f"offline log: not in time order: {early_held_out} of the {early} events before the "
            "moment that the training is to end at lie behind later ones; publish events sorted by "
            "occurredAt, everybody's together, or hold nothing out (--hold-out 0)"
        )
    return positions


def by_partition(events: pa.Table) -> Iterator[tuple[tuple[str, int], slice]]:
    """The rows of each (topic id, partition) of a table that is in their order."""
    groups = events.group_by(["topic_id", "partition"], use_threads=False)
    ends = groups.aggregate([([], "count_all")])
    begin = 0
    for topic_id, partition, rows in zip(*(c.to_pylist() for c in ends.columns), strict=True):
        yield (topic_id, partition), slice(begin, begin + rows)
        begin += rows


def _by_user(events: Sequence[LoggedEvent]) -> dict[tuple[str, str], list[LoggedEvent]]:
    """Events by log and user: a log that began again began every history again."""
    by_user: dict[tuple[str, str], list[LoggedEvent]] = defaultdict(list)
    for row in events:
        by_user[row.topic_id, row.token.user_id].append(row)
    return by_user


def _positions(events: Sequence[LoggedEvent]) -> dict[tuple[str, int], int]:
    positions: dict[tuple[str, int], int] = {}
    for row in events:
        key = (row.topic_id, row.partition)
        positions[key] = max(positions.get(key, 0), row.offset + 1)
    return positions
