"""A batch that has to be retried takes effect only once."""

import threading
from collections.abc import Sequence

import pytest
from eventlog.factories_eventlog import read_all
from factories import START_MS, play
from streaming.factories_streaming import config

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PAGES, PROFILES, dead_letter
from pagecast.featurestore.history.history import History
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.online.store_errors import OnlineStoreAway
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.batch import BatchWriter
from pagecast.streaming.retry import retrying
from pagecast.streaming.stores import Stores
from pagecast.streaming.uncommitted import Uncommitted


def test_a_batch_that_waits_for_a_store_writes_its_letters_once(
    bootstrap: str, paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, tries = OnlineFeatures.write_histories, []

    def away_for_a_while(self: OnlineFeatures, histories: Sequence[History]) -> list[str]:
        tries.append(histories)
        if len(tries) < 4:
            raise OnlineStoreAway("it is away")
        return write(self, histories)

    monkeypatch.setattr(OnlineFeatures, "write_histories", away_for_a_while)
    topics = (INTERACTIONS, CATALOG, PROFILES, PAGES)
    bad = [Record(topic, "t", 0, 0, b"ann", b"\xff", (), START_MS) for topic in topics]
    value = play("ann", "heat").SerializeToString()
    good = Record(INTERACTIONS, "t", 0, 1, b"ann", value, (), START_MS)
    stray = Record(
        INTERACTIONS, "t", 1, 0, b"ann", play("ann", "ran").SerializeToString(), (), START_MS
    )
    settings = config(bootstrap, paths)
    with Stores.open(settings) as stores, EventProducer(bootstrap) as producer:
        uncommitted = Uncommitted(stores.offline, stores.eraser, 0)
        writer = BatchWriter(stores, producer, uncommitted, settings.fold)
        retrying(threading.Event(), 30)(writer.ingest, [*bad, good, stray])
        assert producer.acknowledged == {
            (dead_letter(topic), 0): 2 if topic == INTERACTIONS else 1 for topic in topics
        }
        assert [row.offset for row in uncommitted.rows] == [1]
    assert len(tries) == 4
    letters = read_all(bootstrap, dead_letter(INTERACTIONS), 2)
    assert [letter.headers["dlt_reason"] for letter in letters] == [
        b"MALFORMED",
        b"WRONG_PARTITION",
    ]
