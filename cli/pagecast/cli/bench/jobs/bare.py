"""(a) A bare kafka-python loop: polls and parses the same events, and does nothing with them.

Nothing written in Python on this client can be faster. Its settings are the worker's consumer's:
the fetch wait, read_committed.
"""

import json
import os
import sys
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from pagecast.eventlog.connection import client_settings
from pagecast.eventlog.consumer import FETCH_WAIT_MS_MAX
from pagecast.eventlog.topics import INTERACTIONS
from pagecast.v1.events_pb2 import InteractionEvent

POLL_MS = 100


def main() -> None:
    """Reads from the given offsets on; writes {"events", "cpu_seconds"} to the file `result`.

    Settings: bootstrap_servers; from: next offset by partition; events: how many to read;
    uncounted: how many of them are read before the clock starts; batch_records_max.
    """
    settings = json.loads(sys.argv[1])
    consumer = KafkaConsumer(
        **client_settings(settings["bootstrap_servers"]),
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=FETCH_WAIT_MS_MAX,
    )
    places = {TopicPartition(INTERACTIONS, int(p)): o for p, o in settings["from"].items()}
    consumer.assign(list(places))
    for place, offset in places.items():
        consumer.seek(place, offset)
    events, begin, begin_seconds = 0, 0, 0.0
    parse = InteractionEvent.FromString
    while events < settings["events"]:
        polled = consumer.poll(timeout_ms=POLL_MS, max_records=settings["batch_records_max"])
        for records in polled.values():
            for record in records:
                parse(record.value)
            events += len(records)
        if not begin and events >= settings["uncounted"]:
            begin, begin_seconds = events, _cpu_seconds()
    measured = {"events": events - begin, "cpu_seconds": _cpu_seconds() - begin_seconds}
    consumer.close(autocommit=False, timeout_ms=1000)
    Path(settings["result"]).write_text(json.dumps(measured))


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system


if __name__ == "__main__":
    main()
