"""Where a server is reached, and why it cannot be."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where a started server is reached."""

    host: str
    port: int
    metrics_port: int

    @property
    def target(self) -> str:
        """The target that a channel is made with."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class PortTakenError(OSError):
    """A port cannot be listened on; the message names the setting."""

    @classmethod
    def of_rpcs(cls, host: str, port: int) -> "PortTakenError":
        return cls(f"port {port} of {host} is taken: choose another, or 0 for a free one")

    @classmethod
    def of_metrics(cls, port: int) -> "PortTakenError":
        return cls(f"metrics_port {port} is taken: choose another, or 0 for a free one")
