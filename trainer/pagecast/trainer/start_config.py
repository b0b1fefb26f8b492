"""The settings of trainings that begin from a model, each with a unit and a reason."""

from dataclasses import dataclass
from typing import Literal

NewEntities = Literal["fallback", "similar", "mean"]


@dataclass(frozen=True, kw_only=True)
class StartConfig:
    """How embeddings begin for entities that the base model does not know."""

    new_entities: NewEntities = "fallback"
    """"fallback": as the one that stands for whatever is unknown (docs/papers.md 1.7). "similar":
    as the weighted mean of the entities with the most similar metadata; "mean": as the mean of all,
    plus noise (docs/papers.md 3.1). Other names always begin as the fallback."""
    similar_max: int = 10
    """Entities of "similar": those whose metadata embedding is closest by its cosine."""
    similar_temperature: float = 0.1
    """Cosines are divided by this before they become weights; lower trusts the closest more."""
    noise: float = 0.1
    """Of "mean": the standard deviation of the noise, relative to that of each dimension."""

    def __post_init__(self) -> None:
        if self.similar_max < 1:
            raise ValueError("start.similar_max must be at least 1")
        if self.similar_temperature <= 0 or self.noise < 0:
            raise ValueError(
                "start.similar_temperature must be above 0, start.noise not be negative"
            )


@dataclass(frozen=True, kw_only=True)
class IncrementalConfig:
    """A run on what is new since the base model's data (docs/training.md)."""

    replay_share: float = 0.3
    """Share of old requests, of users drawn at random, among those learned from: against
    forgetting them (docs/papers.md 1.7)."""
    epochs: float = 3.0
    """Passes over new and replayed windows: the base has learned the rest."""
    learning_rate: float = 3e-4
    """Peak, after warm-up; lower than a full run's, whose weights it starts from."""
    full_every: int = 7
    """Every n-th training of a line is a full one, from scratch: incremental runs only add names,
    and replay is a sample. 0: never automatically."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.replay_share < 1.0:
            raise ValueError("incremental.replay_share must be at least 0 and below 1")
        if self.epochs <= 0 or self.learning_rate <= 0:
            raise ValueError("incremental.epochs and incremental.learning_rate must be above 0")
        if self.full_every < 0:
            raise ValueError("incremental.full_every must not be negative")
