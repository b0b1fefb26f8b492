"""Settings of incremental trainings."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pagecast.trainer.start_config import IncrementalConfig, StartConfig


class IncrementalSettings(BaseModel):
    """What `pagecast train --incremental` does. Defaults and reasons are those of
    `pagecast.trainer.start_config`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    replay_share: float | None = Field(default=None, ge=0, lt=1)
    """Share of the requests learned from that are old ones."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over what is new and replayed."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Peak."""
    full_every: int | None = Field(default=None, ge=0)
    """Every so many-th training of a line is a full one; 0: never by itself."""
    new_entities: Literal["fallback", "similar", "mean"] | None = None
    """How embeddings begin that the base has none of; of `--from` too."""

    def config(self) -> "IncrementalConfig":
        from pagecast.trainer.start_config import IncrementalConfig

        return IncrementalConfig(**self.model_dump(exclude_none=True, exclude={"new_entities"}))

    def start(self) -> "StartConfig":
        from pagecast.trainer.start_config import StartConfig

        return StartConfig(**self.model_dump(exclude_none=True, include={"new_entities"}))
