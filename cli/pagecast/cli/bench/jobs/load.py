"""Sends events at a rate fixed in advance, whatever becomes of them: an open loop.

A record's timestamp is the moment it was due. If anything is late, including the sender, the time
an event waited is part of what is measured.
"""

import json
import sys
import time
from pathlib import Path

from kafka import KafkaProducer

from pagecast.cli.bench.events import EventsConfig, make_events
from pagecast.cli.stack.ready import announce
from pagecast.eventlog.connection import client_settings
from pagecast.eventlog.producer import BATCH_BYTES, LINGER_MS
from pagecast.eventlog.topics import INTERACTIONS

TICK_S = 0.002
"""Seconds between two looks at the schedule."""

LEAD_S = 0.2
"""Seconds before the first event is due."""


def main() -> None:
    """Settings: bootstrap_servers, rate (events per second), events (`EventsConfig`), result;
    begun_file, which is written when it begins, if it is named.

    Writes {"begin_s", "late_ms_max"} to the file `result`: how late the latest was sent.
    """
    settings = json.loads(sys.argv[1])
    rate = settings["rate"]
    events = [
        (event.user_id.encode(), event.SerializeToString())
        for event in make_events(EventsConfig(**settings["events"]))
    ]
    producer = KafkaProducer(
        **client_settings(settings["bootstrap_servers"]),
        batch_size=BATCH_BYTES,
        linger_ms=LINGER_MS,
    )
    producer.partitions_for(INTERACTIONS)
    begin_s = time.time() + LEAD_S
    if begun_file := settings.get("begun_file"):
        announce(Path(begun_file), {"begin_s": begin_s})
    late_s = 0.0
    for number, (key, value) in enumerate(events):
        due_s = begin_s + number / rate
        while (ahead_s := due_s - time.time()) > 0:
            time.sleep(max(ahead_s, TICK_S))
        late_s = max(late_s, -ahead_s)
        producer.send(INTERACTIONS, key=key, value=value, timestamp_ms=int(due_s * 1000))
    producer.flush()
    producer.close(timeout=5)
    told = {"begin_s": begin_s, "late_ms_max": late_s * 1000}
    Path(settings["result"]).write_text(json.dumps(told))


if __name__ == "__main__":
    main()
