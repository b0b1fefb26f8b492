"""What ingest refuses becomes dead letters: nothing is dropped, and nothing waits for them."""

from collections import Counter
from collections.abc import Iterable

import structlog

from pagecast.eventlog.dead_letters import write_dead_letters
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Rejection
from pagecast.streaming.metrics import DEAD_LETTERS

log = structlog.get_logger(__name__)


def send_dead_letters(producer: EventProducer, refused: Iterable[tuple[Record, Rejection]]) -> None:
    """Writes the letters, counts them and tells of them; raises what `write_dead_letters` does."""
    letters = list(refused)
    if not letters:
        return
    write_dead_letters(producer, letters)
    counts = Counter((record.topic, rejection.reason) for record, rejection in letters)
    for (topic, reason), count in counts.items():
        DEAD_LETTERS.labels(topic=topic, reason=reason).inc(count)
    record, rejection = letters[0]
    # One line per batch: a storm of bad records must not become a storm of log lines.
    log.warning(
        "records refused",
        records=len(letters),
        first_topic=record.topic,
        first_partition=record.partition,
        first_offset=record.offset,
        first_reason=str(rejection.reason),
        first_field=rejection.field,
    )
