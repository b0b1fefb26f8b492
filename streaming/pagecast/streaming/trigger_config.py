"""When a training is asked for."""

from dataclasses import dataclass, fields
from enum import StrEnum


class Trigger(StrEnum):
    """Why a training is asked for, in the order in which reasons are looked at."""

    DRIFT = "drift"
    NEW_ENTITIES = "new_entities"
    EVENTS = "events"
    SCHEDULE = "schedule"


@dataclass(frozen=True, kw_only=True)
class TriggersConfig:
    """0 switches a trigger off. Raises ValueError that names the field and the remedy."""

    events: int = 200_000
    """Events that make a step, since the last request or model."""

    new_entities: int = 100
    """Entities that came to the catalog since then. One may stand on a page at once, without a
    training: its metadata say what it is like; only a training learns what people make of it.
    Before the first request or model none is new."""

    drift: float = 0.1
    """Jensen-Shannon divergence, in bits, of actions or of entities from the window before the
    last request: as much as if a fifth of what people do had moved to what nobody did before."""

    drift_window_hours: float = 24.0
    """Least length of a window: a whole day, or evenings would differ from mornings."""

    drift_window_events: int = 20_000
    """Fewest events in a window: with fewer, chance moves the divergence by more than 0.01."""

    schedule_hours: float = 24.0
    """Time since the last request or model."""

    pause_minutes: float = 60.0
    """Least time between two requests, whatever their reasons."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 0:
                raise ValueError(
                    f"{field.name} is {value}, must not be negative; 0 switches it off"
                )
        if self.drift >= 1:
            raise ValueError(f"drift is {self.drift}, must be below 1, which nothing exceeds")
        if self.drift and not self.drift_window_events:
            raise ValueError(
                "drift_window_events is 0, must be positive; drift = 0 switches it off"
            )

    @property
    def on(self) -> bool:
        """Whether any trigger is on."""
        return any(getattr(self, trigger) for trigger in (*_THRESHOLDS,))


_THRESHOLDS = ("events", "new_entities", "drift", "schedule_hours")
