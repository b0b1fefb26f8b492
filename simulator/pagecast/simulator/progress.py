"""How far a simulation is."""

from collections.abc import Callable
from dataclasses import dataclass

PASTS = "publishing what members did before"
DAYS = "simulating"
COMPARING = "comparing pages with twins'"
FORGETTING = "forgetting twins"
"""The stages, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Told while a simulation goes on."""

    stage: str
    share: float
    """Of the stage, from 0 to 1; of simulated time while days are simulated."""
    sessions: int
    members: int
    """Members who have not left."""


Told = Callable[[Progress], None]

StageTold = Callable[[str, float], None]
"""Takes a stage, and which share of it is done."""
