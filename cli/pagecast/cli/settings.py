"""Settings: options, then `PAGECAST_*` variables, then `pagecast.toml`, then these defaults."""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pagecast.cli.exits import InputError

SETTINGS_FILE = "pagecast.toml"
ENVIRONMENT_PREFIX = "PAGECAST_"


class Settings(BaseSettings):
    """What every command starts from. Unknown names in `pagecast.toml` are refused."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
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
    """Catalog and model registry, as SQLAlchemy names it; unset means SQLite in `state_dir`."""
    ingest_group: str = Field(default="pagecast-ingest", min_length=1, max_length=249)
    """Consumer group of the ingest workers."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log line that is written."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """`auto` writes for people on a terminal and JSON elsewhere."""

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
    """Settings with the options that were given (not None) on top.

    Raises InputError that names the setting and where it can be mended.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise InputError(_first_problem(error), _REMEDY) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{SETTINGS_FILE} is not TOML: {error}", "mend the file") from error


_REMEDY = f"mend the option, the {ENVIRONMENT_PREFIX}* variable or the line of {SETTINGS_FILE}"


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in problem["loc"])
    return f"setting {name!r}: {problem['msg']}"
