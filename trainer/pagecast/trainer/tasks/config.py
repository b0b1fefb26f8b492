"""The settings of fitting a task."""

from dataclasses import asdict, dataclass

from pydantic import JsonValue


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """How a task's labels are learned."""

    whole: bool = False
    """Moves the model's weights too; else they are frozen and the head alone is fitted."""
    hold_out: float = 0.2
    """Share of the rows, the newest, that the figures are computed on."""
    passes: int = 3
    """Passes over the rows, if the whole model moves: a task has few, and the model forgets."""
    learning_rate: float = 1e-4
    """Of the model's weights: a tenth of pretraining's, so that they stay near."""
    head_learning_rate: float = 1e-3
    """Of the head, which is small and begins fitted."""
    weight_decay: float = 0.01
    """Of AdamW."""
    gradient_norm_max: float = 1.0
    """Longer gradients are shortened to this."""
    seed: int = 0
    """Of the order of rows."""
    threads: int = 2
    """Of torch."""

    def __post_init__(self) -> None:
        if not 0.0 < self.hold_out < 1.0:
            raise ValueError("hold_out must be between 0 and 1: a task is always tested")
        if self.passes < 1:
            raise ValueError("passes must be 1 at least")

    def to_json(self) -> dict[str, JsonValue]:
        return asdict(self)
