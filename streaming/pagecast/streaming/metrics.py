"""What an ingest worker measures."""

from prometheus_client import Counter, Gauge, Histogram

EVENT_TO_FEATURE_SECONDS = Histogram(
    "pagecast_event_to_feature_seconds",
    "From the moment an event was sent until it is in the online store.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)

EVENTS_INGESTED = Counter(
    "pagecast_events_ingested",
    "Valid records whose effect is in the stores, replayed ones included.",
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
