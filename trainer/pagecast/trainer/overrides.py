"""A training's config with some values overridden by dotted name: what an ablation is."""

from collections.abc import Mapping

from pydantic import JsonValue, TypeAdapter

from pagecast.trainer.config import TrainConfig

_CONFIG = TypeAdapter(TrainConfig)


def overridden(config: TrainConfig, overrides: Mapping[str, JsonValue]) -> TrainConfig:
    """`{"objective.genres": 0.1, "model.conditioned_head": True}` on top of a config.

    Raises ValueError for a name that no value has, and for a value that does not fit.
    """
    told = config.to_json()
    for name, value in overrides.items():
        *path, last = name.split(".")
        place = told
        for part in path:
            inner = place.get(part)
            if not isinstance(inner, dict):
                raise ValueError(f"{name}: the config has no such value")
            place = inner
        if last not in place or isinstance(place[last], dict):
            raise ValueError(f"{name}: the config has no such value")
        place[last] = value
    return _CONFIG.validate_python(told)
