"""A refused record goes back as it was, once, unless it must not."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from eventlog.factories_eventlog import read_all
from factories import play
from factories_databases import migrated
from streaming.factories_letters import refuse, rejection, send_raw

from pagecast.eventlog.errors import PublishFailed
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Reason
from pagecast.eventlog.topics import (
    INTERACTIONS,
    PROFILES,
    RECORD_BYTES_MAX,
    TRAININGS,
    dead_letter,
)
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.replays import RECORDS_MAX, ReplayLedger
from pagecast.streaming.letters import REPLAY_HEADER, Letter, read_letters
from pagecast.streaming.replay import REPLAYS_MAX, Filter, Outcome, Replay
from pagecast.v1 import events_pb2


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = migrated(f"sqlite:///{tmp_path / 'pagecast.db'}")
    yield made
    made.dispose()


def replay(
    bootstrap: str, engine: sa.Engine, letters: Iterable[Letter] | None = None
) -> dict[Outcome, int]:
    with EventProducer(bootstrap) as producer:
        run = Replay(ReplayLedger(engine), Erasures(engine), producer)
        return run.replay(letters if letters is not None else letters_of(bootstrap))


def letters_of(bootstrap: str) -> Iterator[Letter]:
    """Of one topic: to look into another costs a test a second."""
    return read_letters(bootstrap, [INTERACTIONS])


def training_letters(bootstrap: str) -> Iterator[Letter]:
    return read_letters(bootstrap, [TRAININGS])


def profile_letters(bootstrap: str) -> Iterator[Letter]:
    return read_letters(bootstrap, [PROFILES])


def as_sent(record: Record) -> tuple[bytes | None, bytes | None, dict[str, bytes | None]]:
    headers = record.headers
    headers.pop(REPLAY_HEADER, None)
    return record.key, record.value, headers


def test_the_record_is_sent_again_as_it_was(bootstrap: str, engine: sa.Engine) -> None:
    headers = {"ce_id": b"e1", "traceparent": b"00-1"}
    [record] = send_raw(bootstrap, [b"\x00\xff"], headers=headers)
    refuse(bootstrap, [record])
    assert replay(bootstrap, engine) == {Outcome.SENT: 1}
    first, second = read_all(bootstrap, INTERACTIONS, 2)
    assert as_sent(second) == as_sent(first) == (b"ann", b"\x00\xff", headers)
    assert second.partition == first.partition
    assert second.headers.keys() - headers.keys() == {REPLAY_HEADER}


def test_a_request_to_train_goes_back_too(bootstrap: str, engine: sa.Engine) -> None:
    refuse(bootstrap, send_raw(bootstrap, [b"\xff"], topic=TRAININGS, key=b"r1"))
    assert replay(bootstrap, engine, training_letters(bootstrap)) == {Outcome.SENT: 1}


@pytest.mark.parametrize("value", [None, b""])
def test_nothing_is_made_of_a_value_that_is_none(
    bootstrap: str, engine: sa.Engine, value: bytes | None
) -> None:
    refuse(bootstrap, send_raw(bootstrap, [value], topic=PROFILES, key=b"\xff"))
    assert replay(bootstrap, engine, profile_letters(bootstrap)) == {Outcome.SENT: 1}
    assert [r.value for r in read_all(bootstrap, PROFILES, 2)] == [value, value]


def test_a_second_replay_sends_nothing(bootstrap: str, engine: sa.Engine) -> None:
    refuse(bootstrap, send_raw(bootstrap, [b"a", b"b", b"c"]))
    assert replay(bootstrap, engine) == {Outcome.SENT: 3}
    assert replay(bootstrap, engine) == {Outcome.ALREADY_SENT: 3}
    assert len(read_all(bootstrap, INTERACTIONS, 6)) == 6


def test_letters_of_one_record_send_it_once(bootstrap: str, engine: sa.Engine) -> None:
    records = send_raw(bootstrap, [b"a"])
    refuse(bootstrap, records * 2)
    assert replay(bootstrap, engine) == {Outcome.SENT: 1, Outcome.ALREADY_SENT: 1}
    refuse(bootstrap, records)
    assert replay(bootstrap, engine) == {Outcome.ALREADY_SENT: 3}


def test_letters_far_apart_do_so_too_even_in_a_dry_run(bootstrap: str, engine: sa.Engine) -> None:
    values = [b"%d" % i for i in range(RECORDS_MAX + 10)]
    refuse(bootstrap, send_raw(bootstrap, values) * 2)
    letters = list(letters_of(bootstrap))
    expected = {Outcome.SENT: len(values), Outcome.ALREADY_SENT: len(values)}
    dry = Replay(ReplayLedger(engine), Erasures(engine), None)
    assert dry.replay(letters) == expected
    told: list[int] = []
    with EventProducer(bootstrap) as producer:
        run = Replay(ReplayLedger(engine), Erasures(engine), producer)
        assert run.replay(letters, told.append) == expected
    assert told[-1] == 2 * len(values)
    assert len(told) == 3
    assert len(read_all(bootstrap, INTERACTIONS, 2 * len(values))) == 2 * len(values)


def test_a_dry_run_sends_and_remembers_nothing(bootstrap: str, engine: sa.Engine) -> None:
    refuse(bootstrap, send_raw(bootstrap, [b"a"]))
    dry = Replay(ReplayLedger(engine), Erasures(engine), None)
    assert dry.replay(letters_of(bootstrap)) == {Outcome.SENT: 1}
    assert len(read_all(bootstrap, INTERACTIONS, 1)) == 1
    assert replay(bootstrap, engine) == {Outcome.SENT: 1}


def test_what_is_refused_again_is_replayed_so_often_and_no_more(
    bootstrap: str, engine: sa.Engine
) -> None:
    refuse(bootstrap, send_raw(bootstrap, [b"never mended"]))
    for times in range(1, REPLAYS_MAX + 1):
        assert replay(bootstrap, engine)[Outcome.SENT] == 1
        newest = read_all(bootstrap, INTERACTIONS, times + 1)[-1]
        refuse(bootstrap, [newest])
    assert replay(bootstrap, engine) == {Outcome.ALREADY_SENT: REPLAYS_MAX, Outcome.TOO_OFTEN: 1}
    assert len(read_all(bootstrap, INTERACTIONS, REPLAYS_MAX + 1)) == REPLAYS_MAX + 1


def test_a_run_does_not_meet_its_own_records_again(bootstrap: str, engine: sa.Engine) -> None:
    refuse(bootstrap, send_raw(bootstrap, [b"a"]))

    def while_a_worker_refuses_them() -> Iterator[Letter]:
        yield from letters_of(bootstrap)
        run._end_batch(None)
        refuse(bootstrap, read_all(bootstrap, INTERACTIONS, 2)[1:])
        yield from list(letters_of(bootstrap))[1:]

    with EventProducer(bootstrap) as producer:
        run = Replay(ReplayLedger(engine), Erasures(engine), producer)
        assert run.replay(while_a_worker_refuses_them()) == {Outcome.SENT: 1}
    assert replay(bootstrap, engine) == {Outcome.ALREADY_SENT: 1, Outcome.SENT: 1}


def test_a_letter_that_was_cut_is_not_replayed_and_said_so(
    bootstrap: str, engine: sa.Engine
) -> None:
    [record] = send_raw(bootstrap, [b"small"])
    refuse(bootstrap, [record._replace(value=b"x" * (2 * RECORD_BYTES_MAX))])
    assert replay(bootstrap, engine) == {Outcome.TRUNCATED: 1}


def test_nor_is_one_its_topic_does_not_take(bootstrap: str, engine: sa.Engine) -> None:
    [record] = send_raw(bootstrap, [b"small"])
    refuse(bootstrap, [record._replace(value=b"x" * (RECORD_BYTES_MAX + 1))])
    assert replay(bootstrap, engine) == {Outcome.TOO_LARGE: 1}
    assert replay(bootstrap, engine) == {Outcome.TOO_LARGE: 1}


def test_nor_is_one_that_no_worker_has_written(bootstrap: str, engine: sa.Engine) -> None:
    with EventProducer(bootstrap) as producer:
        producer.send_bytes(dead_letter(INTERACTIONS), b"ann", b"hello", {})
    assert replay(bootstrap, engine) == {Outcome.UNADDRESSED: 1}


def forget(engine: sa.Engine, user_id: str, at: Record, *, requested_at_ms: int) -> None:
    Erasures(engine).begin(
        "receipt", user_id, at.topic_id, at.partition, at.offset + 1, requested_at_ms
    )


def test_nor_is_one_of_a_user_who_was_forgotten_since(bootstrap: str, engine: sa.Engine) -> None:
    before, order, after = send_raw(bootstrap, [b"before", b"order", b"after"])
    refuse(bootstrap, [before, after])
    forget(engine, "ann", order, requested_at_ms=order.timestamp_ms)
    assert replay(bootstrap, engine) == {Outcome.ERASED: 1, Outcome.SENT: 1}
    assert [r.value for r in read_all(bootstrap, INTERACTIONS, 4)][3:] == [b"after"]


def test_the_user_may_be_named_by_the_value_alone(bootstrap: str, engine: sa.Engine) -> None:
    value = play("ann", "heat").SerializeToString()
    [record] = send_raw(bootstrap, [value], key=b"someone")
    refuse(bootstrap, [record], rejection(Reason.KEY_MISMATCH))
    forget(engine, "ann", record, requested_at_ms=record.timestamp_ms)
    assert replay(bootstrap, engine) == {Outcome.ERASED: 1}


def test_where_the_offset_says_nothing_the_time_does(bootstrap: str, engine: sa.Engine) -> None:
    """A profile is in another topic than the order to forget."""
    value = events_pb2.ProfileChange(user_id="ann", language="sv").SerializeToString()
    [order] = send_raw(bootstrap, [b"order"])
    [profile] = send_raw(bootstrap, [value], topic=PROFILES)
    refuse(bootstrap, [profile])
    forget(engine, "ann", order, requested_at_ms=profile.timestamp_ms - 1)
    dry = Replay(ReplayLedger(engine), Erasures(engine), None)
    assert dry.replay(profile_letters(bootstrap)) == {Outcome.SENT: 1}
    Erasures(engine).begin("again", "ann", order.topic_id, 0, 9, profile.timestamp_ms)
    assert replay(bootstrap, engine, profile_letters(bootstrap)) == {Outcome.ERASED: 1}


def test_a_failed_replay_leaves_the_rest_to_the_next(bootstrap: str, engine: sa.Engine) -> None:
    refuse(bootstrap, send_raw(bootstrap, [b"a", b"lost", b"c"]))
    letters = list(letters_of(bootstrap))

    class Failing(EventProducer):
        """Loses one of the records that it is given."""

        def send_bytes(
            self, topic: str, key: bytes | None, value: bytes | None, *rest: Any, **named: Any
        ) -> None:
            if value == b"lost":
                named["on_settled"](TimeoutError("no answer"))
            else:
                super().send_bytes(topic, key, value, *rest, **named)

    with (
        Failing(bootstrap) as failing,
        pytest.raises(PublishFailed, match=r"1 records .* no answer"),
    ):
        Replay(ReplayLedger(engine), Erasures(engine), failing).replay(letters)
    assert replay(bootstrap, engine, letters) == {Outcome.ALREADY_SENT: 2, Outcome.SENT: 1}
    assert len(read_all(bootstrap, INTERACTIONS, 6)) == 6


def test_letters_can_be_chosen_by_reason_and_offset(bootstrap: str) -> None:
    records = send_raw(bootstrap, [b"a", b"b", b"c"])
    refuse(bootstrap, records[:2], rejection(Reason.MALFORMED))
    refuse(bootstrap, records[2:], rejection(Reason.TOO_LARGE))
    letters = list(letters_of(bootstrap))

    def chosen(which: Filter) -> list[bytes | None]:
        return [letter.value for letter in letters if which.takes(letter)]

    assert chosen(Filter()) == [b"a", b"b", b"c"]
    assert chosen(Filter(reason="TOO_LARGE")) == [b"c"]
    assert chosen(Filter(first_offset=1)) == [b"b", b"c"]
    assert chosen(Filter(first_offset=1, last_offset=1)) == [b"b"]
    assert chosen(Filter(reason="MALFORMED", first_offset=2)) == []
