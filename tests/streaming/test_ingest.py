"""The life of an event, from Kafka to the stores, and of what is not an event."""

import shutil
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from eventlog.factories_eventlog import read_all
from factories import START_MS, event_id, movie, play, rate, timestamp, upsert
from prometheus_client import REGISTRY
from streaming.factories_streaming import (
    RunningWorker,
    config,
    history_of,
    ingest,
    ingesting,
    send,
    stored,
)

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PROFILES, dead_letter
from pagecast.eventlog.validation import INTERACTION_BYTES_MAX
from pagecast.featurestore.history.history import Action, Profile
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.config import IngestConfig
from pagecast.streaming.metrics import CONSUMER_LAG_RECORDS
from pagecast.streaming.progress import NotIngestedInTime, wait_until_ingested
from pagecast.v1 import events_pb2

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def people(count: int) -> list[str]:
    return [f"user-{i}" for i in range(count)]


def evenings(users: list[str], events: int) -> list[events_pb2.InteractionEvent]:
    """Plays and ratings of these users, hours apart, in the order of time."""
    made = []
    for i in range(events):
        user, at_ms = users[i % len(users)], START_MS + i * HOUR_MS
        film = f"film-{i * 7 % 31}"
        made.append(rate(user, film, 4.0, at_ms) if i % 3 else play(user, film, at_ms))
    return made


def test_an_event_becomes_a_step_a_row_of_the_offline_log_and_a_count(
    bootstrap: str, paths: StatePaths
) -> None:
    event = play("ann", "heat")
    ingest(bootstrap, paths, send(bootstrap, [event]))
    history = history_of(paths, "ann")
    assert history is not None
    assert [(s.action, s.entity_id, s.occurred_at_ms, s.device) for s in history.steps] == [
        (Action.PLAY_FEATURE, "heat", START_MS, "tv")
    ]
    [row] = OfflineLog(paths.offline).read()
    assert row.value == event.SerializeToString()
    assert history.version is not None
    assert history.version.topic_id == row.topic_id
    assert history.version.partition == row.partition
    assert history.version.next_offset == row.offset + 1
    assert stored(paths).popularity == {"heat": 1.0}


def test_an_event_is_in_the_online_store_long_before_its_offset_is_committed(
    bootstrap: str, paths: StatePaths
) -> None:
    with ingesting(bootstrap, paths, offline_flush_ms=60_000):
        positions = send(bootstrap, [play("ann", "heat")])
        deadline = time.monotonic() + 5
        while history_of(paths, "ann") is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert history_of(paths, "ann") is not None
        assert OfflineLog(paths.offline).read() == []
        with pytest.raises(NotIngestedInTime, match="1 records behind"):
            wait_until_ingested(bootstrap, "pagecast-ingest", positions, 0.1)
    assert len(OfflineLog(paths.offline).read()) == 1
    wait_until_ingested(bootstrap, "pagecast-ingest", positions, 5)


def test_events_of_many_users_keep_their_order_and_later_ones_go_on(
    bootstrap: str, paths: StatePaths
) -> None:
    users = people(30)
    events = evenings(users, 600)
    first = send(bootstrap, events[:300])
    ingest(bootstrap, paths, first, batch_records_max=70)
    ingest(bootstrap, paths, {**first, **send(bootstrap, events[300:])}, batch_records_max=70)
    for user in users:
        history = history_of(paths, user)
        assert history is not None
        expected = [e.occurred_at.ToMilliseconds() for e in events if e.user_id == user]
        assert [s.occurred_at_ms for s in history.steps] == expected
    assert len(OfflineLog(paths.offline).read()) == 600


def test_catalog_and_profile_changes_take_the_same_way(bootstrap: str, paths: StatePaths) -> None:
    old = events_pb2.ProfileChange(user_id="ann", occurred_at=timestamp(START_MS), language="en")
    new = events_pb2.ProfileChange(
        user_id="ann", occurred_at=timestamp(START_MS + 1), language="fr", maturity_limit=12
    )
    messages = [upsert(movie("heat", "Crime")), old, upsert(movie("ran", "Drama")), new]
    ingest(bootstrap, paths, send(bootstrap, messages))
    seen = stored(paths, ["ann"])
    assert [e.entity_id for e in seen.catalog.entities] == ["heat", "ran"]
    assert seen.catalog.number == 2
    assert seen.profiles["ann"] == Profile(
        language="fr", maturity_limit=12, occurred_at_ms=START_MS + 1
    )


def test_an_entity_that_the_catalog_does_not_know_is_kept_by_id(
    bootstrap: str, paths: StatePaths
) -> None:
    ingest(bootstrap, paths, send(bootstrap, [play("ann", "not-in-the-catalog-yet")]))
    history = history_of(paths, "ann")
    assert history is not None
    assert history.steps[0].entity_id == "not-in-the-catalog-yet"


def test_replaying_everything_changes_nothing(bootstrap: str, paths: StatePaths) -> None:
    users = people(10)
    change = events_pb2.ProfileChange(
        user_id="user-1", occurred_at=timestamp(START_MS), language="fr"
    )
    positions = send(bootstrap, [*evenings(users, 200), upsert(movie("heat")), change])
    ingest(bootstrap, paths, positions)
    before, files = stored(paths, users), offline_files(paths)
    # A new group has committed nothing: it begins at the beginning, with other batches.
    ingest(bootstrap, paths, positions, group="again", batch_records_max=33)
    assert stored(paths, users) == before
    assert offline_files(paths) == files


def offline_files(paths: StatePaths) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in paths.offline.rglob("*.parquet")}


def test_a_producers_retry_at_a_new_offset_is_skipped(bootstrap: str, paths: StatePaths) -> None:
    event = play("ann", "heat")
    positions = send(bootstrap, [event, event, play("ann", "ran", START_MS + HOUR_MS), event])
    ingest(bootstrap, paths, positions)
    history = history_of(paths, "ann")
    assert history is not None
    assert [(s.entity_id, s.events) for s in history.steps] == [("heat", 1), ("ran", 1)]
    assert stored(paths).popularity["heat"] < 1.0
    # The offline log keeps every record: what is skipped is decided by the same fold on reading.
    assert len(OfflineLog(paths.offline).read()) == 4


def test_events_out_of_order_are_put_in_order_and_old_ones_are_kept_in_the_offline_log(
    bootstrap: str, paths: StatePaths
) -> None:
    at = [5 * MINUTE_MS, 3 * MINUTE_MS, -48 * HOUR_MS, 4 * MINUTE_MS]
    events = [play("ann", f"film-{i}", START_MS + ms) for i, ms in enumerate(at)]
    ingest(bootstrap, paths, send(bootstrap, events))
    history = history_of(paths, "ann")
    assert history is not None
    assert [s.entity_id for s in history.steps] == ["film-1", "film-3", "film-0"]
    assert len(OfflineLog(paths.offline).read()) == 4


def test_what_is_no_event_goes_to_the_dead_letters_and_good_events_still_arrive(
    bootstrap: str, paths: StatePaths
) -> None:
    ruleless = play("ann", "heat")
    ruleless.ClearField("play")
    nan = rate("ann", "heat", float("nan"))
    tomorrow_ms = int(time.time() * 1000) + 48 * HOUR_MS
    large = play("ann", "heat").SerializeToString() + b"\xf2\x07" + b"\x80\x80\x10" + b"x" * 2**18
    bad: list[tuple[bytes, bytes | None, str, str]] = [
        (b"{'not': 'protobuf'}", b"ann", "MALFORMED", ""),
        (b"", b"ann", "MALFORMED", ""),
        (ruleless.SerializeToString(), b"ann", "RULE_BROKEN", "action"),
        (nan.SerializeToString(), b"ann", "RULE_BROKEN", "rate.rating"),
        (
            play("ann", "heat", tomorrow_ms).SerializeToString(),
            b"ann",
            "IN_THE_FUTURE",
            "occurred_at",
        ),
        (play("ann", "heat").SerializeToString(), b"bob", "KEY_MISMATCH", ""),
        (play("ann", "heat").SerializeToString(), None, "KEY_MISMATCH", ""),
        (large, b"ann", "TOO_LARGE", ""),
    ]
    assert len(large) > INTERACTION_BYTES_MAX
    before = letters_counted()
    with ingesting(bootstrap, paths):
        with EventProducer(bootstrap) as producer:
            for value, key, _, _ in bad:
                producer.send_bytes(INTERACTIONS, key, value, {"ce_id": b"x"})
                producer.send(INTERACTIONS, "bob", play("bob", "heat"))
            producer.send(INTERACTIONS, "ann", play("ann", "ran"))
            producer.flush()
            positions = producer.acknowledged
        wait_until_ingested(bootstrap, "pagecast-ingest", positions, 20)
    originals = {
        (r.partition, r.offset): r for r in read_all(bootstrap, INTERACTIONS, 2 * len(bad) + 1)
    }
    letters = read_all(bootstrap, dead_letter(INTERACTIONS), len(bad))
    assert len(letters) == len(bad)
    expected = {(value, key): (reason, field) for value, key, reason, field in bad}
    for letter in letters:
        headers = {name: value.decode() for name, value in letter.headers.items()}
        original = originals[int(headers["dlt_partition"]), int(headers["dlt_offset"])]
        assert (letter.value, letter.key) == (original.value, original.key)
        assert headers["dlt_topic"] == INTERACTIONS
        assert headers["dlt_topic_id"] == original.topic_id
        assert headers["ce_id"] == "x"
        assert (headers["dlt_reason"], headers["dlt_field"]) == expected[letter.value, letter.key]
        assert headers["dlt_detail"]
    assert letters_counted() - before == len(bad)
    for user in ("ann", "bob"):
        history = history_of(paths, user)
        assert history is not None
        assert len(history.steps) == 1


def letters_counted() -> float:
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "pagecast_dead_letters_total"
    )


def test_bad_catalog_and_profile_changes_go_to_their_own_dead_letters(
    bootstrap: str, paths: StatePaths
) -> None:
    nameless = upsert(movie("heat"))
    nameless.upsert_entity.title = ""
    with EventProducer(bootstrap) as producer:
        producer.send(CATALOG, "heat", nameless)
        producer.send(CATALOG, "another", upsert(movie("ran")))
        producer.send(CATALOG, "ran", upsert(movie("ran")))
        producer.send_bytes(PROFILES, b"ann", b"\xff", {})
        producer.flush()
        positions = producer.acknowledged
    ingest(bootstrap, paths, positions)
    catalog_letters = read_all(bootstrap, dead_letter(CATALOG), 2)
    assert [r.headers["dlt_reason"] for r in catalog_letters] == [b"RULE_BROKEN", b"KEY_MISMATCH"]
    assert catalog_letters[0].headers["dlt_field"] == b"upsert_entity.title"
    assert [r.headers["dlt_reason"] for r in read_all(bootstrap, dead_letter(PROFILES), 1)] == [
        b"MALFORMED"
    ]
    assert [e.entity_id for e in stored(paths).catalog.entities] == ["ran"]


def test_events_of_a_user_in_two_partitions_are_refused_not_mixed(
    bootstrap: str, paths: StatePaths
) -> None:
    first = send(bootstrap, [play("ann", "heat")])
    ingest(bootstrap, paths, first)
    [(_, partition)] = first
    stray = play("ann", "ran", START_MS + HOUR_MS)
    other = send_to(bootstrap, (partition + 1) % 4, stray)
    ingest(bootstrap, paths, {**first, **other})
    history = history_of(paths, "ann")
    assert history is not None
    assert [s.entity_id for s in history.steps] == ["heat"]
    [letter] = read_all(bootstrap, dead_letter(INTERACTIONS), 1)
    assert letter.headers["dlt_reason"] == b"WRONG_PARTITION"
    assert letter.value == stray.SerializeToString()
    assert len(OfflineLog(paths.offline).read()) == 1


def test_nor_are_they_mixed_within_the_first_batch(bootstrap: str, paths: StatePaths) -> None:
    positions = send_to(bootstrap, 0, play("ann", "heat"))
    positions |= send_to(bootstrap, 1, play("ann", "ran", START_MS + HOUR_MS))
    ingest(bootstrap, paths, positions)
    history = history_of(paths, "ann")
    assert history is not None
    assert len(history.steps) == 1
    assert len(read_all(bootstrap, dead_letter(INTERACTIONS), 1)) == 1


def send_to(
    bootstrap: str, partition: int, event: events_pb2.InteractionEvent
) -> dict[tuple[str, int], int]:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=bootstrap)
    sent = producer.send(
        INTERACTIONS,
        key=event.user_id.encode(),
        value=event.SerializeToString(),
        partition=partition,
    )
    offset = sent.get(10).offset
    producer.close(timeout=5)
    return {(INTERACTIONS, partition): offset + 1}


def test_it_serves_what_it_measures(bootstrap: str, paths: StatePaths) -> None:
    with ingesting(bootstrap, paths, metrics_port=0) as worker:
        positions = send(bootstrap, [play("ann", "heat")])
        wait_until_ingested(bootstrap, "pagecast-ingest", positions, 20)
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.metrics_port}/metrics") as answer:
            text = answer.read().decode()
    assert "pagecast_event_to_feature_seconds_bucket" in text
    assert f'pagecast_events_ingested_total{{topic="{INTERACTIONS}"}}' in text
    assert "pagecast_consumer_lag_records{" in text


def test_the_lag_of_partitions_that_went_is_not_shown(bootstrap: str, paths: StatePaths) -> None:
    CONSUMER_LAG_RECORDS.labels(topic=INTERACTIONS, partition="7").set(9)
    ingest(bootstrap, paths, send(bootstrap, [play("ann", "heat")]))
    [gauge] = CONSUMER_LAG_RECORDS.collect()
    assert [sample.labels["partition"] for sample in gauge.samples].count("7") == 0
    assert gauge.samples


def test_a_store_that_is_away_for_a_while_is_waited_for(bootstrap: str, paths: StatePaths) -> None:
    with ingesting(bootstrap, paths):
        shutil.rmtree(paths.offline)
        paths.offline.write_text("in the way")
        positions = send(bootstrap, [play("ann", "heat")])
        with pytest.raises(NotIngestedInTime):
            wait_until_ingested(bootstrap, "pagecast-ingest", positions, 1.0)
        assert read_all(bootstrap, dead_letter(INTERACTIONS), 1, timeout_s=0.2) == []
        paths.offline.unlink()
        wait_until_ingested(bootstrap, "pagecast-ingest", positions, 20)
    assert len(OfflineLog(paths.offline).read()) == 1


def test_a_store_that_stays_away_ends_the_worker_and_nothing_is_lost(
    bootstrap: str, paths: StatePaths, start_worker: Callable[[IngestConfig], RunningWorker]
) -> None:
    worker = start_worker(config(bootstrap, paths, retry_seconds_max=0.3))
    shutil.rmtree(paths.offline)
    paths.offline.write_text("in the way")
    positions = send(bootstrap, [play("ann", "heat")])
    with pytest.raises(OSError, match="offline"):
        worker.join()
    paths.offline.unlink()
    ingest(bootstrap, paths, positions)
    assert len(OfflineLog(paths.offline).read()) == 1
    history = history_of(paths, "ann")
    assert history is not None
    assert len(history.steps) == 1


def test_it_stops_within_a_second_or_two(bootstrap: str, paths: StatePaths) -> None:
    with ingesting(bootstrap, paths) as worker:
        begin = time.monotonic()
        worker.stop.set()
        worker.join()
        assert time.monotonic() - begin < 2.5


def test_an_impression_makes_no_step_but_moves_the_version(
    bootstrap: str, paths: StatePaths
) -> None:
    seen = events_pb2.InteractionEvent(
        event_id=event_id(START_MS, "seen"), user_id="ann", occurred_at=timestamp(START_MS)
    )
    seen.impression.rows.add(row_id="top", entity_ids=["heat"])
    ingest(bootstrap, paths, send(bootstrap, [seen]))
    history = history_of(paths, "ann")
    assert history is not None
    assert history.steps == []
    assert history.version is not None
    assert history.version.next_offset == 1
