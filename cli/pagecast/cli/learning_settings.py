"""Settings of incremental trainings, and of alignment."""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pagecast.trainer.alignment.config import AlignConfig
    from pagecast.trainer.start_config import IncrementalConfig, StartConfig


class IncrementalSettings(BaseModel):
    """What `pagecast train --incremental` does. Defaults and reasons are in
    `pagecast.trainer.start_config`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    replay_share: float | None = Field(default=None, ge=0, lt=1)
    """Share of old requests among those learned from."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over what is new and what is replayed."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Peak, after warm-up."""
    full_every: int | None = Field(default=None, ge=0)
    """One in this many trainings of a line is a full one; 0: never by itself."""
    new_entities: Literal["fallback", "similar", "mean"] | None = None
    """How embeddings begin of entities the base does not know; also with `--from`."""

    def config(self) -> "IncrementalConfig":
        from pagecast.trainer.start_config import IncrementalConfig

        return IncrementalConfig(**self.model_dump(exclude_none=True, exclude={"new_entities"}))

    def start(self) -> "StartConfig":
        from pagecast.trainer.start_config import StartConfig

        return StartConfig(**self.model_dump(exclude_none=True, include={"new_entities"}))


class RewardModelSettings(BaseModel):
    """How the reward models of an alignment are trained; unset means the recipe's value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: float | None = None
    """Peak, of the page reward model."""
    preference_learning_rate: float | None = None
    """Peak, of the preference model."""


class AlignSettings(BaseModel):
    """What `pagecast train --align` does. Defaults and reasons are in
    `pagecast.trainer.alignment.config`, which checks the ranges; unset means the recipe's value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int | None = None
    """Rounds of drawing pages and learning from them."""
    prompts_per_step: int | None = None
    """Prompts per round."""
    group_size: int | None = None
    """Pages drawn for each prompt."""
    learning_rate: float | None = None
    """Peak, after warm-up."""
    kl: float | None = None
    """Weight of the distance to the model that is aligned."""
    nll: float | None = None
    """Weight of the likelihood of what was really chosen."""
    gate_lift_min: float | None = None
    """An entity is relevant if it is more than this many times as likely as in an even draw."""
    temperature: float | None = None
    """Temperature of the distribution that pages are drawn from."""
    rows_max: int | None = None
    """Most rows of a drawn page."""
    entities_max: int | None = None
    """Most entities of each of its rows."""
    seed: int | None = None
    """Seed of prompts and pages."""
    critical_rows: tuple[str, ...] = ()
    """Ids of rows that must not stand low on a page."""
    reward: RewardModelSettings = RewardModelSettings()

    def config(self, recipe: str) -> "AlignConfig":
        """A recipe with what is set here. Raises ValueError that names the field."""
        from pagecast.trainer.alignment.config import RECIPES

        told = self.model_dump(exclude_none=True, exclude={"critical_rows", "reward"})
        config = RECIPES[recipe]
        form = replace(config.format, critical_rows=self.critical_rows)
        reward = replace(config.reward, **self.reward.model_dump(exclude_none=True))
        return replace(config, **told, format=form, reward=reward)
