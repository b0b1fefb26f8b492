"""The trainer's config, from `[train]` and the options."""

from dataclasses import replace

from pagecast.cli.settings import Settings
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.profiles import PROFILES


def train_config(budget_minutes: float | None, profile: str = "tiny") -> TrainConfig:
    """The trainer's defaults with a profile's model, and with another budget if one is given."""
    model = PROFILES[profile]
    if budget_minutes is None:
        return TrainConfig(model=model)
    return TrainConfig(model=model, budget_minutes=budget_minutes)


def config_of(
    settings: Settings, budget_minutes: float | None = None, profile: str = ""
) -> TrainConfig:
    """The trainer's config from `[train]` and `[reward]`, with what is given on top."""
    told = settings.train
    minutes = told.budget_minutes if budget_minutes is None else budget_minutes
    config = train_config(minutes, profile or told.profile)
    model = replace(config.model, response=told.response)
    config = replace(config, model=model, pages_from=told.pages_from)
    if told.gate_users_min is not None:
        config = replace(config, gate_users_min=told.gate_users_min)
    return replace(
        config,
        start=told.incremental.start(),
        incremental=told.incremental.config(),
        reward=settings.rewards(),
    )
