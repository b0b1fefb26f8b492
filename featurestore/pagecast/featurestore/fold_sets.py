"""What the fold does to the exact sets beside the window."""

from pagecast.featurestore.history import ENTITY_SET_MAX, History
from pagecast.featurestore.steps import Action
from pagecast.featurestore.tokens import COMPLETED, RESUMABLE, STOP, Token

_LIST = (Action.ADD_TO_LIST, Action.REMOVE_FROM_LIST)


def update_sets(history: History, token: Token) -> None:
    """Hidden, listed, completed, and where to resume from.

    Late events change them too, unless a newer step of the window says otherwise. A completed
    entity stays completed when it is played again.
    """
    action = token.action
    if token.marks & STOP:
        _stopped(history, token)
    elif action == Action.HIDE:
        _remember(history, history.hidden, token.entity_id)
    elif action in _LIST and not _superseded(history, token, of_list=True):
        if action == Action.ADD_TO_LIST:
            _remember(history, history.listed, token.entity_id)
        else:
            history.listed.pop(token.entity_id, None)


def _stopped(history: History, token: Token) -> None:
    """A position of zero, and completion, clear; a position that is not said changes nothing."""
    if token.marks & COMPLETED:
        _remember(history, history.completed, token.entity_id)
    elif not token.marks & RESUMABLE:
        return
    if _superseded(history, token, of_list=False):
        return
    history.resume_ms.pop(token.entity_id, None)
    if token.resume_ms and not token.marks & COMPLETED:
        history.strings.intern(token.entity_id)
        history.resume_ms[token.entity_id] = token.resume_ms
        _bound(history.resume_ms)


def _superseded(history: History, token: Token, *, of_list: bool) -> bool:
    """Whether a newer step of the window already says what a late one would say of its entity."""
    steps = history.steps
    names = history.strings.names
    for i in range(len(steps.at_ms) - 1, -1, -1):
        if steps.at_ms[i] <= token.at_ms:
            return False
        if names[steps.entity[i]] == token.entity_id:
            action = steps.action[i]
            stopped = steps.watched_ms[i] > 0 or action == Action.COMPLETE
            if action in _LIST if of_list else stopped:
                return True
    return False


def _remember(history: History, entities: dict[str, None], entity_id: str) -> None:
    history.strings.intern(entity_id)
    entities.pop(entity_id, None)
    entities[entity_id] = None
    _bound(entities)


def _bound(entities: dict[str, None] | dict[str, int]) -> None:
    if len(entities) > ENTITY_SET_MAX:
        del entities[next(iter(entities))]
