"""What an ingest worker is told."""

from dataclasses import dataclass, field
from enum import StrEnum

from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.clients import KafkaClient
from pagecast.eventlog.consumer import SESSION_TIMEOUT_MS
from pagecast.featurestore.history.fold import DEFAULT_FOLD, FoldConfig
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.trigger_config import TriggersConfig

GROUP = "pagecast-ingest"
"""The consumer group of the workers, unless another is named."""

BATCH_RECORDS_MAX = 10_000
"""Records of one poll: half a second's work. At this size a batch's fixed costs (two writes, a
transaction, a question to the broker) no longer show; a larger one holds up a rebalance."""

OFFLINE_FLUSH_MS = 1_000
"""How long events wait to be appended to the offline log: with little traffic, one part file per
second and partition instead of one per event. They are in the online store at once."""

RETRY_SECONDS_MAX = 300.0
"""How long a store or a broker may be away before the worker gives up: it must wait out an outage
of a minute, and whoever supervises it should learn of a longer one."""


class OnLogChange(StrEnum):
    """What to do when the interaction topic is another one than the stores were built from."""

    STOP = "stop"
    """End with an error: a topic must not be lost unnoticed."""
    RESTART = "restart"
    """Begin the histories of the new log anew: for a broker that keeps nothing."""


@dataclass(frozen=True, kw_only=True)
class IngestConfig:
    """How a worker works; `pagecast.streaming.ingest.run_worker` runs one."""

    bootstrap_servers: Bootstrap
    """Kafka."""
    paths: StatePaths
    """Where the online store and the offline log are."""
    kafka_client: KafkaClient = KafkaClient.KAFKA_PYTHON
    """What reads Kafka; `confluent` is for the benchmark."""
    database_url: str | None = None
    """Catalog and popularity; SQLite in `paths` if None."""
    online_store_url: str | None = None
    """Redis or Valkey with histories and profiles; SQLite in `paths` if None."""
    group: str = GROUP
    """Consumer group; its members share the partitions."""
    on_log_change: OnLogChange = OnLogChange.STOP
    """What to do when the log began again."""
    fold: FoldConfig = DEFAULT_FOLD
    """How events become steps; training must use the same."""
    triggers: TriggersConfig = field(default_factory=TriggersConfig)
    """When to ask for a training."""
    batch_records_max: int = BATCH_RECORDS_MAX
    """Records of one poll."""
    poll_ms: int = 100
    """How long a poll without records takes: also how soon a stop is noticed."""
    offline_flush_ms: int = OFFLINE_FLUSH_MS
    """How long events may wait for the offline log and their offsets for the commit."""
    session_timeout_ms: int = SESSION_TIMEOUT_MS
    """When the group takes a silent worker for dead. Kafka allows no less than 6000 by default."""
    retry_seconds_max: float = RETRY_SECONDS_MAX
    """How long to retry while a store or the broker is away."""
    metrics_port: int | None = None
    """TCP port for Prometheus on the loopback interface; 0 takes a free one, None serves none."""

    def __post_init__(self) -> None:
        if min(self.batch_records_max, self.poll_ms, self.session_timeout_ms) < 1:
            raise ValueError("batch_records_max, poll_ms and session_timeout_ms must be positive")
        if self.offline_flush_ms < 0 or self.retry_seconds_max < 0:
            raise ValueError("offline_flush_ms and retry_seconds_max must not be negative")
