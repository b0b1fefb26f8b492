"""Reading dead letters: what was refused, why, and where it came from."""

import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from pagecast.eventlog.admin import Admin
from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.consumer import EventConsumer
from pagecast.eventlog.dead_letters import NOTE
from pagecast.eventlog.errors import BrokerUnavailable
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Reason
from pagecast.eventlog.topics import TOPICS, dead_letter
from pagecast.featurestore.positions import LogOffset

LETTERED = tuple(
    topic.name for topic in TOPICS if dead_letter(topic.name) in {other.name for other in TOPICS}
)
"""The topics whose records may be refused."""

_REASONS = frozenset(Reason)

REPLAY_HEADER = "pagecast_replay"
"""Header of a record that was sent again: how often, and by which run, as `2:RUN`."""

NEWER_POLLS_MAX = 20
"""Polls with letters that are too new before reading ends: other partitions have their turn."""

POLL_LETTERS_MAX = 500
"""Letters of one poll; each has up to 2 MiB."""

POLL_MS = 250
"""How long to wait for more letters."""

SILENT_POLLS_MIN = 2
"""This many polls without a letter, at the end that the broker reports, are the end: the embedded
one may report it too early."""

SILENT_POLLS_MAX = 40
"""After ten seconds of silence a partition that has reported no end counts as away; one that has
reported it has no more letters, whatever is between the last one and its end."""

NEWER_MS_MAX = 60_000
"""Letters written this long after reading began are not read, or a storm of bad records would keep
it reading for ever; below that, clocks may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A refused record, and what `write_dead_letters` noted of it."""

    topic: str
    """Where the record came from, and would be sent again."""
    partition: int
    """Of the letter, in the topic of dead letters."""
    offset: int
    """Of the letter."""
    written_at_ms: int
    """When it was refused."""
    reason: str
    """A `Reason`; "" if somebody else has written the letter."""
    field: str
    """The field that is wrong; "" for the whole record."""
    detail: str
    """What is wrong with it."""
    origin: LogOffset | None
    """Where the record was; None if somebody else has written the letter."""
    sent_at_ms: int
    """When its producer sent the record; if that is not known, when the letter was written."""
    truncated: bool
    """Whether the end of the value is lost."""
    replays: int
    """How often the record was sent again already."""
    run: str
    """The run that sent it last; "" if none did."""
    key: bytes | None
    """The record's own."""
    value: bytes | None
    """The record's own."""
    headers: dict[str, bytes]
    """The record's own."""


def read_letters(bootstrap: Bootstrap, topics: Collection[str] = LETTERED) -> Iterator[Letter]:
    """Every letter of these topics; in order within a partition.

    A topic of dead letters that does not exist has none. Raises EventLogError, BrokerUnavailable
    also if a partition does not answer.
    """
    with Admin(bootstrap) as admin:
        present = admin.topic_ids()
        origins = {dead_letter(topic): topic for topic in topics if dead_letter(topic) in present}
        partitions = sum(admin.partitions_of(origins).values()) if origins else 0
    if origins:
        with EventConsumer(bootstrap, None, origins) as consumer:
            for record in _read(consumer, partitions):
                yield letter_of(origins[record.topic], record)


@dataclass(slots=True, kw_only=True)
class Summary:
    """The letters of one topic with one reason."""

    samples: deque[Letter]
    """The newest ones, without their values."""
    count: int = 0
    """How many there are."""
    first_ms: int = 0
    """When the first was written."""
    last_ms: int = 0
    """When the last was written."""


@dataclass(slots=True)
class Summaries:
    """Letters by topic and reason; holds a few samples of each and no more."""

    samples_max: int
    groups: dict[tuple[str, str], Summary] = field(default_factory=dict)

    def add(self, letter: Letter) -> None:
        at = letter.topic, letter.reason
        if (group := self.groups.get(at)) is None:
            group = Summary(samples=deque(maxlen=self.samples_max), first_ms=letter.written_at_ms)
            self.groups[at] = group
        group.count += 1
        group.first_ms = min(group.first_ms, letter.written_at_ms)
        group.last_ms = max(group.last_ms, letter.written_at_ms)
        group.samples.append(replace(letter, value=None, headers={}))


def letter_of(topic: str, record: Record) -> Letter:
    """Reads the notes of a letter; what is missing or not a number is left empty."""
    headers = record.headers
    notes = defaultdict(
        str,
        {
            name.removeprefix(NOTE): (value or b"").decode(errors="replace")
            for name, value in headers.items()
            if name.startswith(NOTE)
        },
    )
    origin = None
    if notes["topic_id"] and notes["partition"].isdecimal() and notes["offset"].isdecimal():
        origin = LogOffset(
            topic_id=notes["topic_id"],
            partition=int(notes["partition"]),
            offset=int(notes["offset"]),
        )
    times, _, run = (headers.get(REPLAY_HEADER) or b"").decode(errors="replace").partition(":")
    sent_at = notes["timestamp_ms"]
    return Letter(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        written_at_ms=record.timestamp_ms,
        reason=notes["reason"] if notes["reason"] in _REASONS else "",
        field=notes["field"],
        detail=notes["detail"],
        origin=origin,
        sent_at_ms=int(sent_at) if sent_at.isdecimal() else record.timestamp_ms,
        truncated=bool(notes["truncated"]),
        replays=int(times) if times.isdecimal() else 0,
        run=run,
        key=record.key,
        value=record.value,
        headers={
            name: value
            for name, value in headers.items()
            if value is not None and not name.startswith(NOTE)
        },
    )


def _read(consumer: EventConsumer, partitions: int) -> Iterator[Record]:
    until_ms = time.time_ns() // 1_000_000 + NEWER_MS_MAX
    silent = newer = 0
    while newer < NEWER_POLLS_MAX and not _is_end(consumer, partitions, silent):
        records = consumer.poll(POLL_LETTERS_MAX, POLL_MS)
        before = [record for record in records if record.timestamp_ms <= until_ms]
        silent = 0 if records else silent + 1
        newer += len(before) < len(records)
        yield from before


def _is_end(consumer: EventConsumer, partitions: int, silent: int) -> bool:
    """Whether there are no more letters, after so many silent polls. Raises BrokerUnavailable."""
    if silent < SILENT_POLLS_MIN:
        return False
    unanswered = partitions - len(consumer.ends())
    if silent < SILENT_POLLS_MAX:
        return not unanswered and not any(consumer.lag().values())
    if unanswered:
        raise BrokerUnavailable(
            f"{unanswered} partitions of dead letters do not answer: see whether their brokers are "
            "well, and run it again"
        )
    return True
