"""What checking one part found."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How a part is."""

    OK = "ok"
    """It works."""
    NOTE = "note"
    """It is not there, and does not have to be."""
    BROKEN = "broken"
    """It does not work."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report. What is broken always has a remedy."""

    part: str
    health: Health
    text: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.health is Health.BROKEN and not self.remedy:
            raise ValueError(f"{self.part}: what is broken needs a remedy")


def ok(part: str, text: str) -> Finding:
    return Finding(part=part, health=Health.OK, text=text)


def note(part: str, text: str, remedy: str = "") -> Finding:
    return Finding(part=part, health=Health.NOTE, text=text, remedy=remedy)


def broken(part: str, text: str, remedy: str) -> Finding:
    return Finding(part=part, health=Health.BROKEN, text=text, remedy=remedy)
