"""What the fold does to a window of steps: put, merge, evict."""

from collections.abc import Sequence

from pagecast.featurestore.history.history import TOTALS_MAX, History, Total
from pagecast.featurestore.history.step_columns import Strings
from pagecast.featurestore.history.steps import EVENTS_MAX, WATCHED_MS_MAX, Action
from pagecast.featurestore.history.tokens import STOP, Token


def insert(history: History, position: int, token: Token) -> None:
    """Puts a step of the token alone before `position`."""
    steps, intern = history.steps, history.strings.intern
    context = steps.context_index(token.context)
    entity, row = intern(token.entity_id), intern(token.row_id)
    watched_ms = min(token.watched_ms, WATCHED_MS_MAX)
    if position == len(steps.at_ms):
        steps.at_ms.append(token.at_ms)
        steps.action.append(token.action)
        steps.entity.append(entity)
        steps.row.append(row)
        steps.watched_ms.append(watched_ms)
        steps.rating.append(token.rating)
        steps.events.append(1)
        steps.context.append(context)
        return
    steps.at_ms.insert(position, token.at_ms)
    steps.action.insert(position, token.action)
    steps.entity.insert(position, entity)
    steps.row.insert(position, row)
    steps.watched_ms.insert(position, watched_ms)
    steps.rating.insert(position, token.rating)
    steps.events.insert(position, 1)
    steps.context.insert(position, context)


def merge_back(history: History, position: int, token: Token) -> None:
    """Merges a token into the step before it; the request-time half is the step's."""
    steps, action = history.steps, token.action
    of_trailer = steps.action[position] == Action.PLAY_TRAILER and action == Action.PLAY_FEATURE
    if action > steps.action[position] and not (token.marks & STOP and of_trailer):
        steps.action[position] = action
    if token.row_id and not steps.row[position]:
        steps.row[position] = history.strings.intern(token.row_id)
    if token.rating:
        steps.rating[position] = token.rating
    _add(history, position, token)


def merge_forward(history: History, position: int, token: Token) -> None:
    """Merges a token into the step after it; the request-time half becomes the token's."""
    steps = history.steps
    steps.at_ms[position] = token.at_ms
    steps.action[position] = max(steps.action[position], token.action)
    steps.context[position] = steps.context_index(token.context)
    if token.row_id:
        steps.row[position] = history.strings.intern(token.row_id)
    if token.rating and not steps.rating[position]:
        steps.rating[position] = token.rating
    _add(history, position, token)


def _add(history: History, position: int, token: Token) -> None:
    steps = history.steps
    if token.watched_ms:
        watched_ms = steps.watched_ms[position] + token.watched_ms
        steps.watched_ms[position] = min(watched_ms, WATCHED_MS_MAX)
    steps.events[position] = min(steps.events[position] + 1, EVENTS_MAX)


def evict(history: History, count: int) -> None:
    """Drops the oldest steps, and adds them to the totals by entity and by row.

    Names that are no longer in use go with them: the table is made anew.
    """
    steps = history.steps
    left = list(zip(steps.watched_ms[:count], steps.at_ms[:count], strict=True))
    for totals, column in (
        (history.entity_totals, steps.entity),
        (history.row_totals, steps.row),
    ):
        for index, total in _sums(column[:count], left).items():
            _grow(totals, history.strings.names[index], total)
    steps.drop_oldest(count)
    history.steps_dropped += count
    compact(history)


def compact(history: History) -> None:
    """Makes the table of names anew, in an order that depends on the history alone."""
    strings = history.strings = Strings()
    history.steps.rename(strings)
    for named in (
        history.hidden,
        history.completed,
        history.listed,
        history.resume_ms,
        history.stopped_ms,
        history.entity_totals,
        history.row_totals,
    ):
        for name in named:
            strings.intern(name)


def _sums(names: Sequence[int], steps: Sequence[tuple[int, int]]) -> dict[int, Total]:
    """Watched and start of steps, summed by name, in the order of each one's newest step."""
    sums: dict[int, tuple[int, int, int]] = {}
    for name, (watched_ms, at_ms) in zip(names, steps, strict=True):
        before = sums.pop(name, _NOTHING)
        # Steps are in the order of time: the last one is the newest.
        sums[name] = (before[0] + 1, before[1] + watched_ms, at_ms)
    return {name: Total._make(total) for name, total in sums.items()}


_NOTHING = (0, 0, 0)


def _grow(totals: dict[str, Total], name: str, by: Total) -> None:
    totals[name] = totals.pop(name, Total()).plus(by)
    if len(totals) - ("" in totals) > TOTALS_MAX:
        oldest = next(known for known in totals if known)
        totals[""] = totals.pop("", Total()).plus(totals.pop(oldest))
