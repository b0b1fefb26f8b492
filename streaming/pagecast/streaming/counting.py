"""What of a batch counts for popularity."""

from collections.abc import Iterable

from pagecast.featurestore.catalog.popularity import Counted
from pagecast.featurestore.history.steps import WATCHED_ACTIONS
from pagecast.featurestore.history.tokens import STOP
from pagecast.featurestore.offline import LoggedEvent

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
