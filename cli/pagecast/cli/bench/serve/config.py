"""The settings of `pagecast bench serve`, and the ways of decoding it measures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pagecast.engine.bundles.manifest import DecodeWeights
from pagecast.engine.graph import EngineConfig
from pagecast.engine.providers import Provider

HYBRID_K = 3
"""Entities of a row decoded one by one in hybrid decoding."""

WAYS = {"exact": "exact", "hybrid": f"hybrid k={HYBRID_K}"}
"""What each is called in the table."""

TABLES = (
    *("alone", "masks", "steps", "grpc", "open-loop", "overload", "transport", "floor"),
    *("workers", "events", "swaps"),
)
"""What `--tables` knows, in the order in which they are measured."""


@dataclass(frozen=True, kw_only=True)
class ServeBenchConfig:
    """How much is measured. Raises ValueError."""

    folder: Path
    entities: int
    prompt: int
    """Positions: the profile, the steps and the request."""
    provider: Provider = Provider.CPU
    """What runs our graphs; peers run on the CPU."""
    rounds: int
    seconds: float
    clients: Sequence[int]
    mask_entities: Sequence[int] = ()
    """Sizes of the catalogs whose masks are measured."""
    swaps: int = 0
    """How often the champion is exchanged under load."""

    step_entities: Sequence[int] = ()
    """Sizes of the catalogs at which decode steps are measured."""

    tables: Sequence[str] = TABLES
    """Those that are measured."""

    def __post_init__(self) -> None:
        if unknown := [name for name in self.tables if name not in TABLES]:
            raise ValueError(f"tables: {unknown[0]!r} is none of {', '.join(TABLES)}")
        if min(self.mask_entities, default=1000) < 1000:
            raise ValueError("masks are measured for at least 1,000 entities")
        if min(self.step_entities, default=1000) < 1000:
            raise ValueError("steps are measured at 1,000 entities at least")
        if self.entities < 1000 or self.prompt < 3 or self.rounds < 1:
            raise ValueError("at least 1,000 entities, a prompt of 3 positions and one round")

    def runs(self, weights: DecodeWeights = DecodeWeights.FP32) -> EngineConfig:
        """How a bundle is loaded."""
        return EngineConfig(provider=self.provider, decode_weights=weights)
