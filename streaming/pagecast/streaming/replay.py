"""Sending refused records back to where they came from, once the reason is mended.

A record is sent again as it was: its bytes, its key, its headers. Once it is acknowledged it is
never sent again, however many letters there are of it and however often a replay is run. If it is
refused again, that is a new record with a new letter, which says how often it was replayed.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from google.protobuf.message import DecodeError

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PAGES, PROFILES, TRAININGS
from pagecast.featurestore.erasures import Erasures, Floors
from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.replays import RECORDS_MAX, ReplayLedger
from pagecast.streaming.letters import Letter
from pagecast.streaming.sending import Sending
from pagecast.v1 import events_pb2

REPLAYS_MAX = 3
"""How often a record is sent again in all: what fails a fourth time was never mended."""

BATCH_BYTES_MAX = 16 * 1024 * 1024
"""Bytes of letters that are sent together: half of what the producer takes."""


class Outcome(StrEnum):
    """What becomes of a letter."""

    SENT = "SENT"
    """The record was sent again or, in a dry run, would be."""
    ALREADY_SENT = "ALREADY_SENT"
    """An earlier replay has sent the record, perhaps by another letter."""
    BUSY = "BUSY"
    """Another replay is sending it at this moment."""
    TRUNCATED = "TRUNCATED"
    """Its end is lost: only its producer still has the whole record."""
    TOO_LARGE = "TOO_LARGE"
    """Its topic does not take it."""
    TOO_OFTEN = "TOO_OFTEN"
    """It has been sent again REPLAYS_MAX times."""
    ERASED = "ERASED"
    """Its user was forgotten since."""
    UNADDRESSED = "UNADDRESSED"
    """It does not say where the record came from: no ingest worker has written it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which letters to take; None takes all."""

    reason: str | None = None
    """Only those with this reason."""
    first_offset: int | None = None
    """Only those from this offset of the topic of dead letters on."""
    last_offset: int | None = None
    """Only those up to it."""

    def takes(self, letter: Letter) -> bool:
        return (
            (self.reason is None or letter.reason == self.reason)
            and (self.first_offset is None or letter.offset >= self.first_offset)
            and (self.last_offset is None or letter.offset <= self.last_offset)
        )


class Replay:
    """One run. Without a `producer` it is a dry one: nothing is sent or remembered."""

    def __init__(
        self, ledger: ReplayLedger, erasures: Erasures, producer: EventProducer | None
    ) -> None:
        self._ledger = ledger
        self._erasures = erasures
        self._producer = producer
        self._run = uuid.uuid4().hex
        self._batch: list[Letter] = []
        self._batch_bytes = 0
        self._seen: set[LogOffset] = set()
        self.outcomes: Counter[Outcome] = Counter()

    def replay(
        self, letters: Iterable[Letter], progress: Callable[[int], None] | None = None
    ) -> dict[Outcome, int]:
        """Returns, when all are sent and acknowledged, how many letters had which outcome.

        `progress` is told how many letters were judged so far. Raises EventLogError: what is
        acknowledged is remembered; run it again for the rest.
        """
        for letter in letters:
            # A record of this run that was refused again is for the next one.
            if letter.run == self._run:
                continue
            self._batch.append(letter)
            self._batch_bytes += len(letter.value or b"")
            if len(self._batch) >= RECORDS_MAX or self._batch_bytes >= BATCH_BYTES_MAX:
                self._end_batch(progress)
        self._end_batch(progress)
        return {outcome: count for outcome, count in self.outcomes.items() if count}

    def _end_batch(self, progress: Callable[[int], None] | None) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        self._replay(batch)
        if progress is not None:
            progress(self.outcomes.total())

    def _replay(self, batch: Collection[Letter]) -> None:
        erased = _erased(self._erasures, batch)
        by_origin: dict[LogOffset, Letter] = {}
        for letter in batch:
            if (outcome := _unfit(letter)) is None:
                assert letter.origin is not None
                if letter.origin in by_origin:
                    outcome = Outcome.ALREADY_SENT
                elif (letter.topic, letter.partition, letter.offset) in erased:
                    outcome = Outcome.ERASED
                else:
                    by_origin[letter.origin] = letter
            if outcome is not None:
                self.outcomes[outcome] += 1
        if by_origin:
            self._send_unsent(by_origin)

    def _send_unsent(self, by_origin: dict[LogOffset, Letter]) -> None:
        ask = self._ledger.look if self._producer is None else self._ledger.claim
        claims = ask(by_origin)
        self.outcomes[Outcome.ALREADY_SENT] += len(claims.replayed)
        self.outcomes[Outcome.BUSY] += len(claims.busy)
        if self._producer is None:
            new = claims.taken - self._seen
            self._seen |= new
            self.outcomes[Outcome.SENT] += len(new)
            self.outcomes[Outcome.ALREADY_SENT] += len(claims.taken) - len(new)
            return
        taken = {origin: by_origin[origin] for origin in by_origin if origin in claims.taken}
        sending = Sending(self._run)
        try:
            sending.send(self._producer, taken)
        finally:
            # Even if the batch failed: the next run must not send what is in the log.
            acknowledged = frozenset(sending.acknowledged)
            self._ledger.finish(acknowledged)
            self._ledger.release(claims.taken - acknowledged)
            self.outcomes[Outcome.SENT] += len(acknowledged)
            self.outcomes[Outcome.TOO_LARGE] += len(sending.too_large)


def _unfit(letter: Letter) -> Outcome | None:
    """Why a letter cannot be replayed, whatever else is known; None if it can."""
    if letter.origin is None:
        return Outcome.UNADDRESSED
    if letter.truncated:
        return Outcome.TRUNCATED
    return Outcome.TOO_OFTEN if letter.replays >= REPLAYS_MAX else None


def _erased(erasures: Erasures, batch: Collection[Letter]) -> set[tuple[str, int, int]]:
    """The places of the letters whose user was forgotten after the record was sent."""
    users = {id(letter): _users_of(letter) for letter in batch}
    named = {user for of_letter in users.values() for user in of_letter}
    floors, requested_at_ms = erasures.floors(named), erasures.requested_at_ms(named)
    return {
        (letter.topic, letter.partition, letter.offset)
        for letter in batch
        if any(
            _is_erased(letter, floors.get(user, {}), requested_at_ms.get(user))
            for user in users[id(letter)]
        )
    }


def _is_erased(letter: Letter, floors: Floors, requested_at_ms: int | None) -> bool:
    """By the offset, where it decides; else by the time: the record was in another partition, or
    in another topic, than the order to forget."""
    if requested_at_ms is None or letter.origin is None:
        return False
    floor = floors.get((letter.origin.topic_id, letter.origin.partition))
    if floor is not None:
        return letter.origin.offset < floor
    return letter.sent_at_ms <= requested_at_ms


_MESSAGES: dict[str, Any] = {
    INTERACTIONS: events_pb2.InteractionEvent,
    PROFILES: events_pb2.ProfileChange,
    PAGES: events_pb2.PageServed,
}


_ABOUT_NOBODY = frozenset({CATALOG, TRAININGS})
"""Topics whose records name no user."""


def _users_of(letter: Letter) -> set[str]:
    """The users a record is about: those whom its key and its value name."""
    if letter.topic in _ABOUT_NOBODY:
        return set()
    users = {(letter.key or b"").decode(errors="replace")}
    with suppress(DecodeError):
        users.add(_MESSAGES[letter.topic].FromString(letter.value or b"").user_id)
    return users - {""}
