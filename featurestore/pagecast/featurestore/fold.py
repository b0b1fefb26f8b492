"""A history is a pure fold of the interaction topic: steps 4 and 5 of the life of an event.

No clock and no catalog: the same events in the same order give the same history in ingest, in the
trainer and in tests.
"""

import hashlib
from dataclasses import dataclass, replace

from pagecast.featurestore.history import (
    ENTITY_SET_MAX,
    STEPS_EVICTED_TOGETHER,
    STEPS_MAX,
    Action,
    History,
    HistoryVersion,
    Step,
)
from pagecast.featurestore.tokens import milliseconds, occurred_at_ms, tokenise
from pagecast.v1 import events_pb2

LATENESS_MS = 60 * 60 * 1000
"""A step may move back in time by this much: every late insert voids a cached prefix from there."""

MERGE_GAP_MS = 30 * 60 * 1000
"""A pause longer than this begins a new step: the convention for the end of a session."""


@dataclass(frozen=True, kw_only=True)
class FoldConfig:
    """How events become steps. Ingest and trainer must use the same."""

    steps_max: int = STEPS_MAX
    """Steps in a window."""
    evicted_together: int = STEPS_EVICTED_TOGETHER
    """Oldest steps that leave a full window at once."""
    lateness_ms: int = LATENESS_MS
    """How much older than the newest step an event may be and still make a step."""
    merge_gap_ms: int = MERGE_GAP_MS
    """Longest pause inside a step."""

    def __post_init__(self) -> None:
        if not 1 <= self.evicted_together <= self.steps_max:
            raise ValueError("evicted_together must be between 1 and steps_max")
        if self.lateness_ms < 0 or self.merge_gap_ms < 0:
            raise ValueError("lateness_ms and merge_gap_ms must not be negative")


DEFAULT_FOLD = FoldConfig()


class LogChanged(Exception):  # noqa: N818 - it is news, the caller decides whether it is an error
    """The event comes from another log than the history: the topic was made anew.

    Whether to stop or to begin the history again is the caller's decision.
    """


def event_hash(event_id: str) -> int:
    """First 8 bytes of SHA-256 of an event id, as `History.recent_event_hashes` keeps them."""
    return int.from_bytes(hashlib.sha256(event_id.encode()).digest()[:8], "big")


def is_late(history: History, event: events_pb2.InteractionEvent, config: FoldConfig) -> bool:
    """Whether the event is too old to make a step. Ask before applying it."""
    return _too_old(history.steps, occurred_at_ms(event), config)


def apply_event(
    history: History,
    event: events_pb2.InteractionEvent,
    version: HistoryVersion,
    config: FoldConfig = DEFAULT_FOLD,
) -> bool:
    """Folds one event into a history, in place; `version` is the history's after it.

    False, and nothing changes, if the history contains the event: by its version, or by the
    event's id (a producer's retry at a new offset). An impression, and an event later than
    `lateness_ms`, move the version and the recent ids but make no step. Raises LogChanged if
    the history was built from another topic id.
    """
    if _contains(history.version, version):
        return False
    digest = event_hash(event.event_id)
    if digest in history.recent_event_hashes:
        return False
    history.version = version
    history.recent_event_hashes.append(digest)
    step = tokenise(event)
    if step is None:
        return True
    _update_sets(history, step, event)
    if not _too_old(history.steps, step.occurred_at_ms, config):
        _place(history.steps, step, event.HasField("stop"), config)
        if len(history.steps) > config.steps_max:
            del history.steps[: config.evicted_together]
            history.steps_dropped += config.evicted_together
    return True


_ALONE = frozenset({Action.HIDE, Action.ADD_TO_LIST, Action.REMOVE_FROM_LIST, Action.SEARCH})
"""Actions that never share a step: their order among the others is what they say."""

_LIST = frozenset({Action.ADD_TO_LIST, Action.REMOVE_FROM_LIST})


def _contains(stored: HistoryVersion | None, version: HistoryVersion) -> bool:
    if stored is None:
        return False
    if stored.topic_id != version.topic_id:
        raise LogChanged(
            f"history was built from topic id {stored.topic_id!r}, "
            f"the event comes from {version.topic_id!r}: rebuild the history from the new log"
        )
    return stored.partition == version.partition and version.next_offset <= stored.next_offset


def _too_old(steps: list[Step], at_ms: int, config: FoldConfig) -> bool:
    return bool(steps) and at_ms < steps[-1].occurred_at_ms - config.lateness_ms


def _place(steps: list[Step], step: Step, is_stop: bool, config: FoldConfig) -> None:
    """Puts the step where its time says (ties: arrival order), merging it with a neighbour."""
    position = len(steps)
    while position and steps[position - 1].occurred_at_ms > step.occurred_at_ms:
        position -= 1
    if position and _compatible(steps[position - 1], step, is_stop, config):
        steps[position - 1] = _merged(steps[position - 1], step, is_stop)
    elif position < len(steps) and _compatible(step, steps[position], False, config):
        steps[position] = _merged(step, steps[position], False)
    else:
        steps.insert(position, step)


def _compatible(first: Step, second: Step, is_stop: bool, config: FoldConfig) -> bool:
    """Whether `second` may merge into `first`.

    The pause runs from where `first` would have ended, watched without a pause, to where
    `second` began: a `Stop` began when its play did.
    """
    if first.entity_id != second.entity_id or first.session_id != second.session_id:
        return False
    if first.action in _ALONE or second.action in _ALONE:
        return False
    began_ms = second.occurred_at_ms - (second.watched_ms if is_stop else 0)
    return began_ms - (first.occurred_at_ms + first.watched_ms) <= config.merge_gap_ms


def _merged(first: Step, second: Step, is_stop: bool) -> Step:
    """One step of two; the request-time half is the first's."""
    action = max(first.action, second.action)
    if is_stop and first.action == Action.PLAY_TRAILER and second.action == Action.PLAY_FEATURE:
        action = Action.PLAY_TRAILER
    return replace(
        first,
        action=action,
        row_id=first.row_id or second.row_id,
        watched_ms=first.watched_ms + second.watched_ms,
        rating=first.rating if second.rating is None else second.rating,
        events=first.events + second.events,
    )


def _update_sets(history: History, step: Step, event: events_pb2.InteractionEvent) -> None:
    """The exact sets. A completed entity stays completed when it is played again."""
    entity_id = step.entity_id
    if step.action == Action.HIDE:
        _remember(history.hidden, entity_id)
    elif step.action in _LIST:
        if _superseded(history.steps, step):
            return
        if step.action == Action.ADD_TO_LIST:
            _remember(history.listed, entity_id)
        else:
            history.listed.pop(entity_id, None)
    elif event.HasField("stop"):
        if event.stop.completed:
            _remember(history.completed, entity_id)
        if not _superseded(history.steps, step):
            _update_resume(history.resume_ms, entity_id, event.stop)


def _superseded(steps: list[Step], step: Step) -> bool:
    """Whether a newer step of the window already says what a late one would say of its entity."""
    of_list = step.action in _LIST
    for newer in reversed(steps):
        if newer.occurred_at_ms <= step.occurred_at_ms:
            return False
        if newer.entity_id == step.entity_id:
            stopped = newer.watched_ms > 0 or newer.action == Action.COMPLETE
            if newer.action in _LIST if of_list else stopped:
                return True
    return False


def _update_resume(resume_ms: dict[str, int], entity_id: str, stop: events_pb2.Stop) -> None:
    """A position of zero, and completion, clear; a position that is not said changes nothing."""
    if stop.completed:
        resume_ms.pop(entity_id, None)
    elif stop.HasField("resume_position"):
        resume_ms.pop(entity_id, None)
        position_ms = milliseconds(stop.resume_position)
        if position_ms:
            resume_ms[entity_id] = position_ms
            _bound(resume_ms)


def _remember(entities: dict[str, None], entity_id: str) -> None:
    entities.pop(entity_id, None)
    entities[entity_id] = None
    _bound(entities)


def _bound(entities: dict[str, None] | dict[str, int]) -> None:
    if len(entities) > ENTITY_SET_MAX:
        del entities[next(iter(entities))]
