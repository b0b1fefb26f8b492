"""A folder in the interchange format, read as ingest would read it: through catalog and fold.

Nothing is published: only the folder's files say what there is.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from google.protobuf.message import Message

from pagecast.cli.data.files import CATALOG, PROFILES
from pagecast.cli.exits import InputError
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.history.fold import DEFAULT_FOLD, FoldConfig, apply_token, begin
from pagecast.featurestore.history.history import History, Profile
from pagecast.featurestore.history.packing import profile_of
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent
from pagecast.featurestore.positions import LogOffset
from pagecast.streaming.publish import LineRefused, read_publications
from pagecast.trainer.data.replay import UserSteps, replay
from pagecast.v1 import catalog_pb2, events_pb2

INTERACTIONS_PATTERN = "interactions*.jsonl"

LOG = "files"
"""The topic id of a log made of files: its one partition, in the order of their names."""

ReadBytes = Callable[[int], None]
"""Takes how many bytes were read since the last call."""


@dataclass(frozen=True, kw_only=True)
class Interchange:
    """What a folder holds, in the form training takes, and its events by user."""

    catalog: CatalogSnapshot
    users: tuple[UserSteps, ...]
    events: Mapping[str, Sequence[LoggedEvent]]
    fold: FoldConfig

    def history_before(self, user_id: str, at_ms: int) -> History:
        """A user's history from events strictly before a moment, in the order of the files."""
        history = History(user_id)
        begin(history, LOG, 0)
        for _, _, offset, token, _ in self.events.get(user_id, ()):
            if token.at_ms < at_ms:
                apply_token(history, token, offset, self.fold)
        return history


def interchange_files(folder: Path) -> list[Path]:
    """The folder's files, in the order in which they are read. Raises InputError."""
    if not folder.is_dir():
        raise InputError(f"data: {folder} is no folder", "give a folder, or ml-100k")
    interactions = sorted(folder.glob(INTERACTIONS_PATTERN))
    catalog, profiles = folder / CATALOG, folder / PROFILES
    missing = CATALOG if not catalog.is_file() else INTERACTIONS_PATTERN
    if not catalog.is_file() or not interactions:
        raise InputError(f"data: {folder} holds no {missing}", "docs/own-data.md says what it is")
    return [catalog, *([profiles] if profiles.is_file() else []), *interactions]


def read_interchange(
    folder: Path, fold: FoldConfig = DEFAULT_FOLD, told: ReadBytes = lambda _: None
) -> Interchange:
    """Reads a folder. Raises InputError that names the file and line at fault."""
    catalog, *others = interchange_files(folder)
    snapshot = _read_catalog(catalog, told)
    profiles: dict[str, Profile] = {}
    log = _Log()
    for path in others:
        for number, message in _messages(path, told):
            match message:
                case events_pb2.InteractionEvent():
                    log.append(message)
                case events_pb2.ProfileChange():
                    profiles[message.user_id] = profile_of(message)
                case _:
                    raise _misplaced(path, number, "no event and no profile")
    return Interchange(
        catalog=snapshot, users=log.users(profiles, fold), events=log.by_user, fold=fold
    )


class _Log:
    """Events by user. A repeated event is skipped, as ingest skips it."""

    def __init__(self) -> None:
        self.by_user: dict[str, list[LoggedEvent]] = {}
        self._ids: set[str] = set()
        self._offset = 0

    def append(self, event: events_pb2.InteractionEvent) -> None:
        if event.event_id in self._ids:
            return
        self._ids.add(event.event_id)
        row = LoggedEvent(LOG, 0, self._offset, token_of(event), b"")
        self.by_user.setdefault(event.user_id, []).append(row)
        self._offset += 1

    def users(self, profiles: Mapping[str, Profile], fold: FoldConfig) -> tuple[UserSteps, ...]:
        return tuple(
            replay(user_id, rows, profile=profiles.get(user_id, Profile()), fold=fold)
            for user_id, rows in self.by_user.items()
        )


def _read_catalog(path: Path, told: ReadBytes) -> CatalogSnapshot:
    """Applies the changes to a catalog of its own, which numbers them as ingest does."""
    changes = []
    for number, message in _messages(path, told):
        if not isinstance(message, catalog_pb2.CatalogChange):
            raise _misplaced(path, number, "no catalog change")
        changes.append((LogOffset(topic_id=LOG, partition=0, offset=number), message))
    with tempfile.TemporaryDirectory(prefix="catalog-") as folder:
        engine = connect(f"sqlite:///{Path(folder) / 'catalog.db'}")
        try:
            migrate(engine)
            catalog = Catalog(engine)
            catalog.apply(changes)
            snapshot = catalog.snapshot()
        finally:
            engine.dispose()
    if not snapshot.entities or not snapshot.rows:
        raise InputError(f"{path}: no entities or no rows", "docs/own-data.md says what it is")
    return snapshot


def _messages(path: Path, told: ReadBytes) -> Iterator[tuple[int, Message]]:
    """The messages of a file, and their numbers, counted from 1 without blank lines."""
    with path.open("rb") as file:
        try:
            publications = read_publications(str(path), _telling(file, told))
            for number, publication in enumerate(publications, start=1):
                yield number, publication.message
        except LineRefused as error:
            raise InputError(str(error), "mend the line") from error


def _telling(file: IO[bytes], told: ReadBytes) -> Iterator[bytes]:
    for line in file:
        told(len(line))
        yield line


def _misplaced(path: Path, number: int, what: str) -> InputError:
    return InputError(
        f"{path}: message {number} is {what}",
        f"{CATALOG} takes catalog changes, the other files events and profiles",
    )
