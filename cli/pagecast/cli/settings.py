"""Settings: options, then `PAGECAST_*` variables, then `pagecast.toml`, then these defaults.

A section is a table of the file and two underscores in a variable: `port` of `[serve]` is
`PAGECAST_SERVE__PORT`.
"""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from pagecast.cli.exits import InputError
from pagecast.cli.kafka_settings import KafkaSettings
from pagecast.cli.learning_settings import AlignSettings, IncrementalSettings
from pagecast.eventlog.bootstrap import addresses
from pagecast.featurestore.online.store_url import StoreUrl

if TYPE_CHECKING:
    from pagecast.featurestore.history.fold import FoldConfig
    from pagecast.featurestore.pages.reward import RewardConfig
    from pagecast.streaming.trigger_config import TriggersConfig

SETTINGS_FILE = "pagecast.toml"
ENVIRONMENT_PREFIX = "PAGECAST_"
MINUTE_MS = 60_000


class ServeSettings(BaseModel):
    """What `pagecast serve` starts with; the server checks the ranges."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    """Address to listen on; any but loopback needs `insecure`."""
    port: int = 50051
    """TCP port of the RPCs; 0 takes a free one."""
    metrics_port: int = 9464
    """TCP port of /metrics; 0 takes a free one."""
    insecure: bool = False
    """Listen where others can reach it, without authentication."""
    allow_client_clock: bool = False
    """Take `requested_at` from clients: for demos, simulation and tests."""
    slots_max: int = 16
    """Pages decoded at the same time, all on one core."""
    waiting_max: int = 64
    """Pages waiting for a slot before the next one is refused."""
    prefix_cache_mb: int = 256
    """MiB of users' histories kept as keys and values; 0 keeps none."""
    decode_weights: Literal["fp32", "int8"] = "fp32"
    """`int8` makes steps faster; pages may differ from those of `fp32`."""
    provider: Literal["cpu", "cuda"] = "cpu"
    """What runs the model; `cuda` needs onnxruntime-gpu."""
    provider_fallback: bool = False
    """If the provider does not run, warn and use the CPU instead of refusing to start."""
    shortlist: int = 0
    """Candidates of a row still competing after all were scored once; 0: all, at every entity."""
    workers: int = 1
    """Processes that share the port, each decoding on a core. They split `prefix_cache_mb`; the
    other numbers are for each of them."""


class IngestSettings(BaseModel):
    """What `pagecast ingest` starts with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str = Field(default="pagecast-ingest", min_length=1, max_length=249)
    """Consumer group of the workers."""
    on_log_change: Literal["stop", "restart"] = "stop"
    """If the interaction topic has been recreated: end with an error, or begin histories anew."""
    metrics_port: int = 9465
    """TCP port of /metrics; 0 takes a free one."""


class TriggersSettings(BaseModel):
    """When a training is asked for; 0 switches a trigger off. Defaults and reasons are in
    `pagecast.streaming.trigger_config.TriggersConfig`, which checks the ranges."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    events: int | None = None
    """Events since the last request or model."""
    new_entities: int | None = None
    """Entities that came to the catalog since then."""
    drift: float | None = None
    """Divergence, in bits, between what people do now and what they did then."""
    drift_window_hours: float | None = None
    """Shortest window that is compared."""
    drift_window_events: int | None = None
    """Fewest events of a window that is compared."""
    schedule_hours: float | None = None
    """Time since the last request or model."""
    pause_minutes: float | None = None
    """Shortest time between two requests, whatever asks for them."""

    def config(self) -> "TriggersConfig":
        """What ingest is given. Raises InputError that says what to mend."""
        from pagecast.streaming.trigger_config import TriggersConfig

        try:
            return TriggersConfig(**self.model_dump(exclude_none=True))
        except ValueError as error:
            raise InputError(f"setting 'triggers': {error}", _REMEDY) from error


class FoldSettings(BaseModel):
    """How events become steps, the same for ingest and training. Histories made with other settings
    are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lateness_minutes: float = Field(default=60, ge=0, le=24 * 60)
    """How much older than the newest step an event may be and still make a step."""
    merge_gap_minutes: dict[str, float] = Field(default_factory=dict)
    """Longest pause inside a step, by action, for example `{play_feature = 45, click = -1}`; -1
    means never. Actions not named keep the default."""

    def config(self) -> "FoldConfig":
        """What ingest and trainer are given. Raises InputError that says what to mend."""
        from pagecast.featurestore.history.fold import DEFAULT_FOLD, NEVER, FoldConfig
        from pagecast.featurestore.history.steps import Action

        actions = {action.name.lower(): action for action in Action}
        gaps = dict(DEFAULT_FOLD.merge_gap_ms)
        for name, minutes in self.merge_gap_minutes.items():
            if name not in actions or (minutes < 0 and minutes != NEVER):
                raise InputError(
                    f"setting 'fold.merge_gap_minutes': {name} = {minutes:g}",
                    f"name one of {', '.join(actions)}, and minutes, or -1 for never",
                )
            gaps[actions[name]] = NEVER if minutes < 0 else int(minutes * MINUTE_MS)
        return FoldConfig(lateness_ms=int(self.lateness_minutes * MINUTE_MS), merge_gap_ms=gaps)


class TrainSettings(BaseModel):
    """What `pagecast train` starts with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    budget_minutes: float | None = Field(default=None, gt=0)
    """Minutes after which the training loop stops; unset means the trainer's own default."""
    profile: Literal["tiny", "small", "base", "large"] = "tiny"
    """Size of the model (docs/training.md)."""
    response: Literal["entities", "semantic_ids"] = "entities"
    """What a page's entities are to the model: a token each, or the codes of what they are
    (docs/semantic-ids.md)."""
    pages_from: Literal["constructed", "logged", "both"] = "constructed"
    """Pages to learn from: built from what users did next, logged ones, or logged ones where a user
    has any (docs/training.md)."""
    gate_users_min: int | None = Field(default=None, ge=1)
    """Users the gate must have asked before it lets a model through; unset means the trainer's own
    default."""
    incremental: IncrementalSettings = IncrementalSettings()
    align: AlignSettings = AlignSettings()


class TrainerSettings(BaseModel):
    """What `pagecast trainer` starts with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_once_max: int = Field(default=1, ge=1, le=64)
    """Trainings that run at the same time, each with `threads` threads."""
    threads: int | None = Field(default=None, ge=1, le=256)
    """Threads of a training; unset means the trainer's own default, or one under `pagecast up`."""
    nice: int | None = Field(default=None, ge=0, le=19)
    """Niceness of a training's process; unset means 0, or 10 under `pagecast up`."""
    bundles_kept: int = Field(default=5, ge=3)
    """Newest versions whose bundles stay on disk after a training (docs/operations.md)."""
    lease_seconds: float = Field(default=15.0, gt=2.0, le=600.0)
    """After this silence a trainer is taken for dead, and another goes on with its training."""


class Settings(BaseSettings):
    """What every command starts from. Unknown names in `pagecast.toml` are refused."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        toml_file=SETTINGS_FILE,
        extra="forbid",
        frozen=True,
    )

    state_dir: Path = Path(".pagecast")
    """Where everything is kept: stores, bundles, logs, data."""
    bootstrap_servers: str | None = None
    """Kafka, as `host:port[,host:port...]`; unset means the local stack of `state_dir`."""
    server_address: str | None = None
    """The gRPC server, as `host:port`; unset means the local stack of `state_dir`."""
    database_url: str | None = None
    """SQLAlchemy URL of catalog and model registry; unset means SQLite in `state_dir`."""
    online_store_url: str | None = None
    """URL of the Redis or Valkey for histories and profiles; unset means SQLite in `state_dir`."""
    continuation_key: SecretStr | None = None
    """Signs continuations of pages, the same on all replicas: at least 32 characters, such as
    `openssl rand -hex 32` gives. Better in `PAGECAST_CONTINUATION_KEY` than in the file."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log line that is written."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """`auto` writes for people on a terminal and JSON elsewhere."""
    reward: dict[str, float] = Field(default_factory=dict)
    """What each outcome on a page is worth, all of them by name; unset means the table of
    docs/alignment.md ("The reward"). Training, reward models, experiments and `simulate` take it
    from here."""
    kafka: KafkaSettings = KafkaSettings()
    serve: ServeSettings = ServeSettings()
    ingest: IngestSettings = IngestSettings()
    triggers: TriggersSettings = TriggersSettings()
    fold: FoldSettings = FoldSettings()
    train: TrainSettings = TrainSettings()
    trainer: TrainerSettings = TrainerSettings()

    def rewards(self) -> "RewardConfig":
        """The table that is in force. Raises InputError that names what is wrong with it."""
        from pagecast.featurestore.pages.reward import RewardConfig

        try:
            return RewardConfig.of_table(self.reward) if self.reward else RewardConfig()
        except ValueError as error:
            raise InputError(f"setting 'reward': {error}", _REMEDY) from error

    @field_validator("bootstrap_servers")
    @classmethod
    def _is_where_kafka_is(cls, servers: str | None) -> str | None:
        """Empty, as an option, it means no Kafka whatever the file and the environment say."""
        if servers:
            addresses(servers)
        return servers

    @field_validator("online_store_url")
    @classmethod
    def _is_a_store_url(cls, url: str | None) -> str | None:
        """Empty, as an option, it means SQLite whatever the file and the environment say."""
        if url:
            StoreUrl.parse(url)
        return url or None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**options: Any) -> Settings:
    """Settings with the options that were given (not None) on top; `serve={...}` is a section.

    Raises InputError that names the setting and where it can be mended.
    """
    try:
        return Settings(**_given(options))
    except ValidationError as error:
        raise InputError(_first_problem(error), _REMEDY) from error
    except SettingsError as error:
        raise InputError(f"{error}: {error.__cause__}", _REMEDY) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{SETTINGS_FILE} is not TOML: {error}", "mend the file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{SETTINGS_FILE} is not UTF-8: {error}", "mend the file") from error


_REMEDY = f"mend the option, the {ENVIRONMENT_PREFIX}* variable or the line of {SETTINGS_FILE}"


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _given(value) if isinstance(value, dict) else value
        for name, value in options.items()
        if value is not None
    }


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"setting {name!r}: there is none of that name (docs/settings.md has all)"
    return f"setting {name!r}: {problem['msg'].removeprefix('Value error, ')}"
