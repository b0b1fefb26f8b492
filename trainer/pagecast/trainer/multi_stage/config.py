"""How the multi-stage baseline is trained."""

from dataclasses import asdict, dataclass

from pydantic import JsonValue

from pagecast.trainer.evaluation.systems.ease import HALVES, LAMBDAS

ENTITIES_MAX = 8_000
"""Entities of EASE, the most taken up: its matrix is 256 MB then, in every server that serves it.
What is left out is placed by its genres and its popularity."""

EXAMPLES_MAX = 2_000
"""Requests that the rankers learn from: a dozen weights need no more, and each compiles rules."""

CANDIDATES_MAX = 500
"""Entities an example's choice is compared with, drawn evenly from those that might have stood on
the page: the softmax over a sample leads to the same weights as that over all."""


@dataclass(frozen=True, kw_only=True)
class MultiStageConfig:
    """Settings; of several values, one is chosen on the requests that the rankers learn from."""

    regularisations: tuple[float, ...] = LAMBDAS
    """Of EASE, in users."""
    halves: tuple[float, ...] = HALVES
    """After how many newer entities of a history one weighs half as much."""
    count_half_life_days: float = 30.0
    """Of the popularity that goes into the tables: what popularity itself chooses on MovieLens
    100K. That of the last week comes from the server at every page."""
    ranked_share: float = 0.2
    """Newest share of the interactions, from which the rankers learn what EASE, fitted on the
    others, does not know yet. EASE is fitted again on all of them."""
    tested_share: float = 0.25
    """Newest share of the rankers' examples, which is kept from them to say how good they are."""
    pull: float = 10.0
    """Examples' worth of what the rankers begin with: a few examples must not overturn it."""
    rows: int = 8
    """Rows and entities of the pages that are learned from, as clients ask by default."""
    entities_per_row: int = 10
    examples_max: int = EXAMPLES_MAX
    candidates_max: int = CANDIDATES_MAX
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("ranked_share", "tested_share"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f"{name} must be between 0 and 1, is {getattr(self, name)}")
        if not self.regularisations or not self.halves:
            raise ValueError("regularisations and halves must name a value each")

    def to_json(self) -> dict[str, JsonValue]:
        return {n: list(v) if isinstance(v, tuple) else v for n, v in asdict(self).items()}
