"""Profiles follow the log, and what was forgotten does not come back with it."""

from collections.abc import Iterator

import pytest
from factories import START_MS, timestamp
from streaming.factories_erasing import Stores, order, stores_of

from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import PROFILES
from pagecast.eventlog.validation import ProfileErased
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.changes import ChangeWriter
from pagecast.v1 import events_pb2


@pytest.fixture
def stores(paths: StatePaths) -> Iterator[Stores]:
    with stores_of(paths) as made:
        yield made


def writer_of(stores: Stores) -> ChangeWriter:
    return ChangeWriter(Catalog(stores.engine), stores.online, stores.erasures)


def change(
    offset: int, at_ms: int, language: str, user_id: str = "ada"
) -> tuple[Record, events_pb2.ProfileChange]:
    made = events_pb2.ProfileChange(
        user_id=user_id, occurred_at=timestamp(at_ms), language=language
    )
    return Record(PROFILES, "profiles-1", 0, offset, None, None, (), at_ms), made


def test_a_replay_brings_no_profile_back_from_before_its_user_was_forgotten(
    stores: Stores,
) -> None:
    stores.eraser.erase(order())
    writer = writer_of(stores)
    writer.write_profiles([change(0, START_MS, "sv"), change(1, START_MS, "sv", "bob")])
    assert stores.online.read_profile("ada") == Profile()
    assert stores.online.read_profile("bob").language == "sv"


def test_one_that_became_so_after_it_is_stored_and_erased_by_its_own_record(
    stores: Stores,
) -> None:
    stores.eraser.erase(order())
    writer = writer_of(stores)
    writer.write_profiles([change(1, START_MS + 1, "fr"), change(2, START_MS, "sv")])
    assert stores.online.read_profile("ada").language == "fr", "the older one does not replace it"
    null, _ = change(3, START_MS + 2, "")
    writer.write_profiles([(null, ProfileErased(user_id="ada"))])
    assert stores.online.read_profile("ada") == Profile()
