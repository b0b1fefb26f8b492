"""A refused record is sent again by one replay, once."""

import pytest
import sqlalchemy as sa

from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.replays import CLAIM_MS, RECORDS_MAX, ReplayLedger


def places(*offsets: int, topic_id: str = "t") -> list[LogOffset]:
    return [LogOffset(topic_id=topic_id, partition=0, offset=offset) for offset in offsets]


class Clock:
    now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms


def test_what_was_replayed_is_never_claimed_again(engine: sa.Engine) -> None:
    ledger = ReplayLedger(engine)
    assert ledger.claim(places(1, 2)).taken == {*places(1, 2)}
    ledger.finish(places(1, 2))
    claims = ledger.claim(places(1, 2, 3))
    assert (claims.taken, claims.replayed, claims.busy) == ({*places(3)}, {*places(1, 2)}, set())


def test_the_same_place_of_another_topic_is_another_record(engine: sa.Engine) -> None:
    ledger = ReplayLedger(engine)
    ledger.finish(ledger.claim(places(1)).taken)
    assert ledger.claim(places(1, topic_id="u")).taken == {*places(1, topic_id="u")}


def test_two_replays_do_not_send_the_same_record_at_once(engine: sa.Engine) -> None:
    first, second = ReplayLedger(engine), ReplayLedger(engine)
    first.claim(places(1))
    claims = second.claim(places(1, 2))
    assert (claims.taken, claims.busy) == ({*places(2)}, {*places(1)})


def test_what_failed_may_be_claimed_at_once(engine: sa.Engine) -> None:
    ledger = ReplayLedger(engine)
    ledger.release(ledger.claim(places(1)).taken)
    assert ledger.claim(places(1)).taken == {*places(1)}


def test_the_claims_of_a_replay_that_was_killed_are_taken_over(engine: sa.Engine) -> None:
    clock = Clock()
    ReplayLedger(engine, clock_ms=clock).claim(places(1))
    later = ReplayLedger(engine, clock_ms=clock)
    clock.now_ms += CLAIM_MS - 1
    assert later.claim(places(1)).busy == {*places(1)}
    clock.now_ms += 1
    assert later.claim(places(1)).taken == {*places(1)}
    later.finish(places(1))
    assert later.look(places(1)).replayed == {*places(1)}


def test_looking_claims_nothing(sqlite_engine: sa.Engine) -> None:
    ledger = ReplayLedger(sqlite_engine)
    assert ledger.look(places(1)).taken == {*places(1)}
    assert ledger.claim(places(1)).taken == {*places(1)}


def test_a_call_is_about_so_many_records_and_no_more(engine: sa.Engine) -> None:
    ledger = ReplayLedger(engine)
    assert len(ledger.claim(places(*range(RECORDS_MAX))).taken) == RECORDS_MAX
    with pytest.raises(ValueError, match="at most"):
        ledger.claim(places(*range(RECORDS_MAX + 1)))
    assert ledger.claim([]).taken == set()
