"""A server's settings. They are checked once, here, and taken for granted inside."""

import ipaddress
from dataclasses import dataclass, field

from pagecast.engine.batching.prefix_cache import PREFIX_BYTES_MAX
from pagecast.engine.bundles.manifest import DecodeWeights
from pagecast.engine.providers import Provider
from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.featurestore.history.fold import DEFAULT_FOLD, FoldConfig
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.state import StatePaths
from pagecast.rules.facts import ENTITIES_PER_ROW_MAX, ROWS_MAX
from pagecast.server.carrying_on.continuation import check_keys
from pagecast.server.page.slots import SLOTS_DEFAULT, WAITING_DEFAULT

SHORTLIST_MAX = 1_000_000
"""With more candidates than this a shortlist saves nothing."""


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Raises ValueError that names the field and the remedy."""

    state: StatePaths
    """Directory of the online store and the bundles."""

    database_url: str = ""
    """SQLAlchemy URL of catalog, popularity and registry; empty: SQLite in `state`."""

    online_store_url: str = ""
    """Redis or Valkey with histories and profiles; empty: SQLite in `state`."""

    bootstrap_servers: Bootstrap = ""
    """Kafka to report served pages to, `host:port[,host:port]`; empty: they are not reported."""

    host: str = "127.0.0.1"
    """Address to listen on; another than loopback needs `insecure`."""

    port: int = 50051
    """TCP port of the RPCs; 0: a free one, reported when the server is ready."""

    share_port: bool = False
    """Listen beside other processes on `port`, which somebody holds for them (`shared_port`)."""

    metrics_port: int = 9464
    """TCP port of /metrics, on loopback regardless of `host`; 0: a free one."""

    insecure: bool = False
    """Listen where others can reach it, though there is neither authentication nor TLS."""

    allow_client_clock: bool = False
    """Take `requested_at` from clients: for demos, simulation and tests."""

    slots_max: int = SLOTS_DEFAULT
    """Pages decoded at the same time, together on one core."""

    waiting_max: int = WAITING_DEFAULT
    """Pages that may wait for a slot before the next is refused: a second or two of work."""

    prefix_cache_mb: int = PREFIX_BYTES_MAX >> 20
    """MiB of users' histories kept as keys and values; 0 keeps none."""

    decode_weights: str = DecodeWeights.FP32.value
    """`fp32`, or `int8`: faster steps, and pages that may differ (docs/serving.md)."""

    provider: str = Provider.CPU.value
    """What runs the model: `cpu`, or `cuda` with onnxruntime-gpu (docs/serving.md)."""

    provider_fallback: bool = False
    """If the provider does not run, go on with the CPU and a warning; otherwise do not start."""

    rows_default: int = 8
    """Rows of a page if the client does not say."""

    entities_default: int = 10
    """Entities of a row if the client does not say."""

    exact_entities_default: int = 3
    """Entities of a row decoded one by one if the client does not say."""

    shortlist: int = 0
    """Candidates of a row that compete after all have been scored once; 0: all, for every entity.
    For catalogs of hundreds of thousands (docs/serving.md); the same on all replicas."""

    continuation_key: str = field(default="", repr=False)
    """Signs continuations: the same on all replicas, at least 32 characters. Of several, separated
    by commas, the first signs and all are accepted, so that a key can be replaced. Empty: a random
    one, and no other process can carry on this one's pages."""

    rewards: RewardConfig = field(default_factory=RewardConfig)
    """What outcomes are worth in reports of experiments; must be the same as in training."""

    fold: FoldConfig = DEFAULT_FOLD
    """How actions are laid over histories; must be the same as for ingest."""

    grace_seconds: float = 10.0
    """Seconds a drain waits for the pages in flight."""

    def __post_init__(self) -> None:
        if not self.insecure and not _is_loopback(self.host):
            raise ValueError(
                f"host {self.host!r} can be reached from outside and RPCs are not authenticated: "
                "use 127.0.0.1, or set insecure"
            )
        if self.share_port and not self.port:
            raise ValueError("port is 0, must be named to be shared")
        check_keys(self.continuation_key)
        if self.decode_weights not in list(DecodeWeights):
            raise ValueError(
                f"decode_weights is {self.decode_weights!r}, must be {' or '.join(DecodeWeights)}"
            )
        if self.provider not in list(Provider):
            raise ValueError(f"provider is {self.provider!r}, must be {' or '.join(Provider)}")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, must be from {low} to {high}")


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("port", 0, 65535),
    ("metrics_port", 0, 65535),
    ("slots_max", 1, 256),
    ("waiting_max", 0, 10_000),
    ("prefix_cache_mb", 0, 1 << 20),
    ("rows_default", 1, ROWS_MAX),
    ("entities_default", 1, ENTITIES_PER_ROW_MAX),
    ("exact_entities_default", 1, ENTITIES_PER_ROW_MAX),
    ("shortlist", 0, SHORTLIST_MAX),
    ("grace_seconds", 0, 3600),
)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
