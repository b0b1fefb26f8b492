"""What each trigger counts, and when it holds: functions that touch only the state handed in."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from pagecast.featurestore.history.history import Action
from pagecast.featurestore.history.tokens import Token
from pagecast.featurestore.offline import LoggedEvent
from pagecast.featurestore.trainings.trigger_states import TriggerState
from pagecast.streaming.drift import aligned, buckets_of, divergence
from pagecast.streaming.trigger_config import Trigger, TriggersConfig

HOUR_MS = 3_600_000

# Columns are taken and counted without running Python for each event: a worker counts every one.
_TOKEN = itemgetter(LoggedEvent._fields.index("token"))
_ACTION = itemgetter(Token._fields.index("action"))
_ENTITY = itemgetter(Token._fields.index("entity_id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Counts of events that make a step."""

    actions: Counter[str] = field(default_factory=Counter)
    entities: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, rows: Iterable[LoggedEvent]) -> "Seen":
        tokens = list(map(_TOKEN, rows))
        by_number = Counter(map(_ACTION, tokens))
        # What makes no step names no entity.
        entities = Counter(map(_ENTITY, tokens))
        del entities[""]
        actions = Counter(
            {
                Action(number).name.lower(): count
                for number, count in by_number.items()
                if number > Action.IMPRESSION
            }
        )
        return cls(actions=actions, entities=entities)

    @property
    def events(self) -> int:
        return self.actions.total()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The world at one look."""

    now_ms: int
    asked_ms: int
    """When the newest request was made or the newest model registered; 0 for never."""
    entities: int
    """Entities that ever were in the catalog."""


Condition = Callable[[TriggersConfig, TriggerState, Seen, Moment], str | None]
"""Counts, and returns what holds in a few words for people; None if it does not hold.

What holds is told again at every look, until a request is made.
"""


def enough_events(
    config: TriggersConfig, state: TriggerState, seen: Seen, moment: Moment
) -> str | None:
    figures = state.figures
    if _asked_anew(state, moment):
        figures["events"] = 0
    figures["events"] += seen.events
    if not config.events or figures["events"] < config.events:
        return None
    return f"{figures['events']} events since {_time(state.since_ms)}"


def new_entities(
    config: TriggersConfig, state: TriggerState, _seen: Seen, moment: Moment
) -> str | None:
    figures = state.figures
    if _asked_anew(state, moment):
        # Those that came since the last look came after what was asked for.
        figures["entities"] = figures.get("looked", moment.entities)
    figures["looked"] = moment.entities
    new = moment.entities - figures["entities"]
    # In a catalog that comes in before anything was trained nothing is new, and hardly anybody has
    # used it yet.
    if not config.new_entities or new < config.new_entities or not moment.asked_ms:
        return None
    return f"{new} new entities since {_time(state.since_ms)}"


def schedule(
    config: TriggersConfig, state: TriggerState, _seen: Seen, moment: Moment
) -> str | None:
    _asked_anew(state, moment)
    hours = (moment.now_ms - state.since_ms) / HOUR_MS
    if not config.schedule_hours or hours < config.schedule_hours:
        return None
    return f"{hours:.1f} hours since {_time(state.since_ms)}"


def drift(config: TriggersConfig, state: TriggerState, seen: Seen, moment: Moment) -> str | None:
    """Compares whole windows with a reference, which is one from about the last request.

    A window that has drifted stays open until a request is made, and then is the reference.
    """
    figures = state.figures
    if not config.drift:
        figures.clear()
        return None
    figures["window"] = window = _grown(figures.get("window"), seen)
    if not _is_whole(config, state, moment):
        return None
    reference = figures.get("reference")
    told = None if reference is None else _apart(config.drift, reference, window)
    if told is not None and moment.asked_ms < figures.setdefault("told_ms", moment.now_ms):
        return told
    if reference is None or told is not None or moment.asked_ms > figures["reference_ms"]:
        figures.update(reference=window, reference_ms=moment.now_ms)
    figures.pop("told_ms", None)
    figures["window"] = _grown(None, Seen())
    state.since_ms = moment.now_ms
    return None


CONDITIONS: Mapping[Trigger, Condition] = {
    Trigger.DRIFT: drift,
    Trigger.NEW_ENTITIES: new_entities,
    Trigger.EVENTS: enough_events,
    Trigger.SCHEDULE: schedule,
}


def _asked_anew(state: TriggerState, moment: Moment) -> bool:
    """Whether counting begins now: at the first look, and at the first one after a request."""
    known = state.figures.get("asked_ms")
    state.figures["asked_ms"] = moment.asked_ms
    if known is not None and known != moment.asked_ms:
        state.since_ms = moment.asked_ms
    return bool(known != moment.asked_ms)


def _grown(window: Mapping[str, Any] | None, seen: Seen) -> dict[str, Any]:
    """Counts of actions by name and of entities by bucket, as JSON keeps them."""
    buckets = buckets_of(seen.entities)
    if window is None:
        return {"actions": dict(seen.actions), "entities": buckets}
    return {
        "actions": dict(Counter(window["actions"]) + seen.actions),
        "entities": [old + new for old, new in zip(window["entities"], buckets, strict=True)],
    }


def _is_whole(config: TriggersConfig, state: TriggerState, moment: Moment) -> bool:
    events = sum(state.figures["window"]["actions"].values())
    hours = (moment.now_ms - state.since_ms) / HOUR_MS
    return bool(events >= config.drift_window_events and hours >= config.drift_window_hours)


def _apart(threshold: float, reference: Mapping[str, Any], window: Mapping[str, Any]) -> str | None:
    found = {
        "actions": divergence(*aligned(reference["actions"], window["actions"])),
        "entities": divergence(reference["entities"], window["entities"]),
    }
    what, bits = max(found.items(), key=lambda item: item[1])
    if bits <= threshold:
        return None
    return f"{what} are {bits:.3f} bits from where they were"


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
