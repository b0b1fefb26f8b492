"""The settings of `[kafka]`: how Kafka lets this installation in."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from pagecast.cli.exits import InputError

if TYPE_CHECKING:
    from pagecast.eventlog.bootstrap import Bootstrap

_REMEDY = "mend it in [kafka] of pagecast.toml, or in its PAGECAST_KAFKA__* variable"


class KafkaSettings(BaseModel):
    """How to log in at `bootstrap_servers`, and whether over TLS."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """As Kafka's own clients call it."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """How the user authenticates, with SASL."""
    username: str | None = None
    """Who logs in with SASL."""
    password: SecretStr | None = None
    """Better in `PAGECAST_KAFKA__PASSWORD`, or in `password_file`, than in the settings file."""
    password_file: Path | None = None
    """File with nothing but the password; white space around it is ignored."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's, in PEM."""

    @property
    def is_secured(self) -> bool:
        return self.security_protocol != "PLAINTEXT"

    def at(self, servers: str) -> "Bootstrap":
        """What clients are given. Raises InputError that says what to mend."""
        from pagecast.eventlog.bootstrap import Mechanism, Protocol, SecuredKafka

        if not self.is_secured:
            if self.model_dump(exclude_none=True, exclude={"security_protocol"}):
                raise InputError(
                    "setting 'kafka.security_protocol': PLAINTEXT has no login", _REMEDY
                )
            return servers
        mechanism = self.sasl_mechanism
        try:
            return SecuredKafka(
                servers=servers,
                protocol=Protocol(self.security_protocol),
                mechanism=None if mechanism is None else Mechanism(mechanism),
                username=self.username,
                password=self._password(),
                ca_file=None if self.ca_file is None else str(self.ca_file),
            )
        except ValueError as error:
            raise InputError(f"setting 'kafka.{error}'", _REMEDY) from error

    def _password(self) -> str | None:
        if self.password_file is None:
            return None if self.password is None else self.password.get_secret_value()
        if self.password is not None:
            raise ValueError("password_file: password is set, too")
        try:
            return self.password_file.read_text().strip()
        except OSError as error:
            raise ValueError(f"password_file: {error}") from error
