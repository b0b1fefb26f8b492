"""What an ingest worker measures."""

from prometheus_client import Counter, Gauge

from pagecast.streaming.batch_histogram import BatchHistogram

EVENT_TO_FEATURE_SECONDS = BatchHistogram(
    "pagecast_event_to_feature_seconds",
    "From the moment an event was sent until it is in the online store.",
    bounds=(
        0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75,
        1, 1.5, 2, 3, 5, 10, 30, 60, 300,
    ),
)  # fmt: skip

EVENTS_INGESTED = Counter(
    "pagecast_events_ingested",
    "Records that were dealt with: their effect is in the stores, or they are dead letters.",
    ["topic"],
)

DEAD_LETTERS = Counter(
    "pagecast_dead_letters",
    "Records that were refused and sent to a dead-letter topic.",
    ["topic", "reason"],
)

CONSUMER_LAG_RECORDS = Gauge(
    "pagecast_consumer_lag_records",
    "Records in the log that this worker has not read yet.",
    ["topic", "partition"],
)

HISTORIES_REFUSED = Counter(
    "pagecast_histories_refused",
    "Writes the online store refused, because another worker had written a newer history.",
)
