"""What the fold does to the exact sets beside the window."""

from typing import TypeVar

from pagecast.featurestore.history.history import ENTITY_SET_MAX, STOPS_MAX, History
from pagecast.featurestore.history.steps import Action
from pagecast.featurestore.history.tokens import COMPLETED, RESUMABLE, STOP, Token

V = TypeVar("V")

_LIST = (Action.ADD_TO_LIST, Action.REMOVE_FROM_LIST)


def update_sets(history: History, token: Token) -> None:
    """Updates hidden, listed, completed, and where to resume from.

    Late events change them too, unless a newer one has had its say: a step in the window about the
    list, a stop about where to resume from. A completed entity stays completed when it is played
    again.
    """
    action = token.action
    if token.marks & STOP:
        _stopped(history, token)
    elif action == Action.HIDE:
        _remember(history, history.hidden, token.entity_id)
    elif action in _LIST and not _superseded(history, token):
        if action == Action.ADD_TO_LIST:
            _remember(history, history.listed, token.entity_id)
        else:
            history.listed.pop(token.entity_id, None)


def _stopped(history: History, token: Token) -> None:
    """Completion and a position of zero clear it; a stop with no position changes nothing."""
    if token.marks & COMPLETED:
        _remember(history, history.completed, token.entity_id)
    elif not token.marks & RESUMABLE:
        return
    # Not by the window: a step has the time of its play, and stops have merged into it since.
    if token.at_ms < history.stopped_ms.get(token.entity_id, token.at_ms):
        return
    _put(history, history.stopped_ms, token.entity_id, token.at_ms, STOPS_MAX)
    if token.resume_ms and not token.marks & COMPLETED:
        _put(history, history.resume_ms, token.entity_id, token.resume_ms)
    else:
        history.resume_ms.pop(token.entity_id, None)


def _superseded(history: History, token: Token) -> bool:
    """Whether a newer step of the window already says whether the entity is on the list."""
    steps = history.steps
    names = history.strings.names
    for i in range(len(steps.at_ms) - 1, -1, -1):
        if steps.at_ms[i] <= token.at_ms:
            return False
        if names[steps.entity[i]] == token.entity_id and steps.action[i] in _LIST:
            return True
    return False


def _remember(history: History, entities: dict[str, None], entity_id: str) -> None:
    _put(history, entities, entity_id, None)


def _put(
    history: History, said: dict[str, V], entity_id: str, value: V, most: int = ENTITY_SET_MAX
) -> None:
    """As the newest; the oldest makes room."""
    history.strings.intern(entity_id)
    said.pop(entity_id, None)
    said[entity_id] = value
    if len(said) > most:
        del said[next(iter(said))]
