"""Point-in-time training sets: histories as they were when a prompt was, or would have been, made.

Feast's own joins are not used. They include events of the very moment asked for, so that the answer
leaks into the prompt; the dask engine drops rows, and the DuckDB one needs 41 s and 3.4 GB where
histories are long (docs/facts.md). And a join gives rows, where a history is a fold of rows: here
each user's events are folded once, by the code of ingest, and the state is taken at each cut.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pagecast.featurestore.history.fold import DEFAULT_FOLD, FoldConfig, apply_token, begin
from pagecast.featurestore.history.history import History
from pagecast.featurestore.offline import NextOffsets, OfflineLog, UserLog


class AtOffset(NamedTuple):
    """The history of what is before an offset of the user's partition, as a server had it."""

    user_id: str
    topic_id: str
    """Which log: one that began again began every history again."""
    next_offset: int


class AtMoment(NamedTuple):
    """For imported data: the history of what occurred strictly before a moment."""

    user_id: str
    topic_id: str
    at_ms: int
    """Milliseconds since 1970."""


AsOf = AtOffset | AtMoment


def histories_as_of(
    log: OfflineLog,
    prompts: Iterable[AsOf],
    *,
    until: NextOffsets | None = None,
    fold: FoldConfig = DEFAULT_FOLD,
) -> Iterator[tuple[int, History]]:
    """The history of each prompt, with the prompt's place among `prompts`, user by user.

    A history is good until the next one is taken, because it is folded on in place: to keep it,
    `pack` it or build the prompt. As of a moment means the events that occurred strictly earlier,
    folded in the order of the log. If a user's events are in the order of their times, both kinds
    of cut are a prefix; otherwise each moment is a fold of its own.
    """
    asked: dict[tuple[str, str], list[tuple[int, AsOf]]] = defaultdict(list)
    for number, prompt in enumerate(prompts):
        asked[prompt.topic_id, prompt.user_id].append((number, prompt))
    users = sorted({user_id for _, user_id in asked})
    for user in log.by_user(until=until, user_ids=users) if users else ():
        wanted = asked.pop((user.topic_id, user.user_id), None)
        if wanted is not None:
            yield from _cuts(user, wanted, fold)
    # Those of whom the log holds nothing.
    for (_, user_id), wanted in asked.items():
        for number, _ in wanted:
            yield number, History(user_id)


def _cuts(
    user: UserLog, wanted: Sequence[tuple[int, AsOf]], fold: FoldConfig
) -> Iterator[tuple[int, History]]:
    offsets = np.array([offset for offset, _ in user.events], np.int64)
    at_ms = np.array([token.at_ms for _, token in user.events], np.int64)
    latest_ms = np.maximum.accumulate(at_ms)
    in_time_order = bool((latest_ms == at_ms).all())
    prefixes: list[tuple[int, int]] = []
    for number, prompt in wanted:
        if isinstance(prompt, AtOffset):
            prefixes.append((int(np.searchsorted(offsets, prompt.next_offset)), number))
        elif in_time_order:
            prefixes.append((int(np.searchsorted(at_ms, prompt.at_ms)), number))
        else:
            earlier = np.flatnonzero(at_ms < prompt.at_ms).tolist()
            yield number, _folded(History(user.user_id), user, earlier, fold)
    history, done = History(user.user_id), 0
    for length, number in sorted(prefixes):
        yield number, _folded(history, user, range(done, length), fold)
        done = length


def _folded(history: History, user: UserLog, places: Iterable[int], fold: FoldConfig) -> History:
    begin(history, user.topic_id, user.partition)
    for place in places:
        offset, token = user.events[place]
        apply_token(history, token, offset, fold)
    return history
