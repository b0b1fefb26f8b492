"""Where Kafka is, and how it lets a client in."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Protocol(StrEnum):
    """What a client speaks to a broker that wants more than bare TCP."""

    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def encrypts(self) -> bool:
        return self is not Protocol.SASL_PLAINTEXT

    @property
    def asks_who(self) -> bool:
        return self is not Protocol.SSL


class Mechanism(StrEnum):
    """How a user says who it is."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


@dataclass(frozen=True, kw_only=True)
class SecuredKafka:
    """Brokers behind TLS, a password or both. Neither `repr` nor `str` shows the password.

    Raises ValueError that names the field and what it needs.
    """

    servers: str
    """As host:port, several separated by commas."""
    protocol: Protocol
    mechanism: Mechanism | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    """Certificates to trust instead of the system's, in PEM."""

    def __post_init__(self) -> None:
        login = {
            "sasl_mechanism": self.mechanism,
            "username": self.username,
            "password": self.password,
        }
        for name, value in login.items():
            if self.protocol.asks_who and not value:
                raise ValueError(f"{name}: {self.protocol} needs one")
            if not self.protocol.asks_who and value:
                raise ValueError(f"{name}: {self.protocol} has none; SASL_SSL has")
        if self.ca_file is not None and not self.protocol.encrypts:
            raise ValueError(f"ca_file: {self.protocol} is not encrypted; SASL_SSL is")
        if self.ca_file is not None and not Path(self.ca_file).is_file():
            raise ValueError(f"ca_file: there is no file {self.ca_file}")

    def __str__(self) -> str:
        return self.servers

    def client_settings(self) -> dict[str, Any]:
        """What every kafka-python client is given beside the servers."""
        return {
            "security_protocol": str(self.protocol),
            "sasl_mechanism": None if self.mechanism is None else str(self.mechanism),
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
            "ssl_cafile": self.ca_file,
        }


def addresses(servers: str) -> list[tuple[str, int]]:
    """Host and port of each server. Raises ValueError that names one without both."""
    found = []
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"{server!r} is no bootstrap server: write HOST:PORT")
        found.append((host, int(port)))
    return found


Bootstrap = str | SecuredKafka
"""Brokers to begin with: host:port, several separated by commas, alone where that is enough."""
