"""What a simulation is asked for."""

import math
from dataclasses import dataclass, field

from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.simulator.config import SimulatorConfig
from pagecast.simulator.world import DAY_MS

MEMBERS_MAX = 100_000
"""A member holds some kilobytes: this many fit into the memory of one machine."""

DAYS_MAX = 3_650
"""Ten years: more is a mistyped number."""

READERS_MAX = 64
"""Members who wait for a page at once; a local server decodes two."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Who comes, when, and how fast time goes. Raises ValueError that names the field."""

    members: int
    days: int
    seed: int = 0
    start_ms: int
    """When the first day begins: milliseconds since 1970, a midnight UTC."""
    speed: float = 0.0
    """Simulated seconds in a real one, for when sessions begin; 0 is as fast as possible."""
    prefix: str = "sim"
    """Of the ids of members and of launched entities."""
    readers: int = 2
    """Members in a session at once: as many as a local server decodes pages."""
    reaction_members: int = 20
    """Members whose pages are compared with a twin's at the end; 0 for none."""
    simulator: SimulatorConfig = field(default_factory=SimulatorConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)

    def __post_init__(self) -> None:
        for name, most in (("members", MEMBERS_MAX), ("days", DAYS_MAX), ("readers", READERS_MAX)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be between 1 and {most}")
        if not (math.isfinite(self.speed) and self.speed >= 0):
            raise ValueError("speed must be a number of 0 or more; 0 is as fast as it goes")
        if self.start_ms < 0 or self.start_ms % DAY_MS:
            raise ValueError("start_ms must be a midnight UTC, 1970 or later")
        if self.reaction_members < 0:
            raise ValueError("reaction_members must not be negative")
