"""What of a batch counts for popularity."""

from collections.abc import Iterable

from pagecast.featurestore.offline import LoggedEvent
from pagecast.featurestore.popularity import Counted
from pagecast.featurestore.steps import WATCHED_ACTIONS
from pagecast.featurestore.tokens import STOP

_COUNTED_ACTIONS = frozenset(map(int, WATCHED_ACTIONS))


def counted(applied: Iterable[LoggedEvent]) -> list[Counted]:
    """A play begun, a rating, a purchase count one each; the stop of a counted play does not.

    `applied` are events that a history did not contain before.
    """
    return [
        Counted((topic_id, partition), offset, token.entity_id, token.at_ms)
        for topic_id, partition, offset, token, _ in applied
        if token.action in _COUNTED_ACTIONS and not token.marks & STOP
    ]
