"""Step 3: one read, and no pile-up when the store hangs."""

import threading
import time
from collections.abc import Iterator

import pytest
from factories import START_MS, play
from server.factories_server import House

from pagecast.featurestore.history.history import History, Profile
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.server.page import users
from pagecast.server.page.users import READ_THREADS, STRANGER, StoreUnavailable, Users


class HangingStore(OnlineFeatures):
    """A store on a disk that has stopped answering, until `answers` is set."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.reads = 0

    def read_user(self, user_id: str) -> tuple[History | None, Profile]:
        self.reads += 1
        assert self.answers.wait(20)
        return None, Profile()

    def close(self) -> None:
        self.answers.set()


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[HangingStore]:
    monkeypatch.setattr(users, "READ_TIME_MAX_S", 0.05)
    store = HangingStore()
    yield store
    store.close()


def test_a_read_brings_history_and_profile(house: House) -> None:
    house.remember("ada", play("ada", "m1", START_MS))
    reader = Users(OnlineFeatures.open(house.paths))
    assert reader.read("nobody") == STRANGER
    ada = reader.read("ada")
    assert ada.history is not None
    assert [step.entity_id for step in ada.history.steps] == ["m1"]
    reader.close()


def test_a_read_that_takes_too_long_is_given_up(hanging: HangingStore) -> None:
    reader = Users(hanging)
    began_s = time.monotonic()
    with pytest.raises(StoreUnavailable):
        reader.read("ada")
    assert time.monotonic() - began_s < 1
    reader.close()


def test_a_read_may_be_given_less_time() -> None:
    store = HangingStore()
    reader = Users(store)
    began_s = time.monotonic()
    with pytest.raises(StoreUnavailable):
        reader.read("ada", time_max_s=0.01)
    assert time.monotonic() - began_s < users.READ_TIME_MAX_S
    reader.close()


def test_while_all_threads_hang_reads_fail_at_once_and_none_is_queued(
    hanging: HangingStore,
) -> None:
    reader = Users(hanging)
    for _ in range(READ_THREADS):
        with pytest.raises(StoreUnavailable):
            reader.read("ada")
    began_s = time.monotonic()
    for _ in range(100):
        with pytest.raises(StoreUnavailable, match="does not answer"):
            reader.read("ada")
    assert time.monotonic() - began_s < 0.05 * 10
    assert hanging.reads == READ_THREADS
    reader.close()


def test_a_store_that_answers_again_is_read_again(hanging: HangingStore) -> None:
    reader = Users(hanging)
    for _ in range(READ_THREADS):
        with pytest.raises(StoreUnavailable):
            reader.read("ada")
    hanging.answers.set()
    deadline_s = time.monotonic() + 5
    while True:
        try:
            assert reader.read("ada") == STRANGER
            break
        except StoreUnavailable:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
    reader.close()
