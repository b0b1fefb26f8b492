"""A system answers the requests of a split; its targets are ranked.

Letters: Q requests of a batch, N entities, T targets.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.figures.ranks import Ranks, ranks
from pagecast.trainer.evaluation.protocols.interactions import Ints
from pagecast.trainer.evaluation.protocols.requests import Request, Split
from pagecast.trainer.evaluation.systems.system import Retrains, System, Told

REQUESTS_TOGETHER = 256
"""Requests scored at a time: bounds memory, a score of every entity for each."""


def answer(system: System, split: Split, told: Told = lambda _: None) -> Ranks:
    """Asks a fitted system everything once; returns ranks in the order of `split.targets()`."""
    target_T = split.targets()
    masked_T, unmasked_T = np.zeros((2, len(target_T)), np.int64)
    first_Q = split.first_targets()
    done = 0
    for batch in _batches(system, split):
        requests = [split.requests[number] for number in batch]
        place_T = np.concatenate([np.arange(first_Q[q], first_Q[q + 1]) for q in batch])
        of_T = np.repeat(np.arange(len(batch)), [len(request.targets) for request in requests])
        score_QN = system.scores(requests)
        if split.among_N is not None:
            score_QN = np.where(split.among_N, score_QN, -np.inf)
        entity_T = split.part.data.entity_X[target_T[place_T]]
        found = ranks(score_QN, _seen(requests, score_QN.shape[1]), of_T, entity_T)
        masked_T[place_T], unmasked_T[place_T] = found.masked_T, found.unmasked_T
        done += len(batch)
        told(done / len(split.requests))
    return Ranks(masked_T=masked_T, unmasked_T=unmasked_T)


def _batches(system: System, split: Split) -> Iterator[list[int]]:
    if system.learns:
        yield from _moments(system, split)
        return
    begin = 0
    if isinstance(system, Retrains):
        for retraining in split.retrainings:
            yield from _by_user(split, begin, retraining.before)
            system.retrain(retraining.part())
            begin = retraining.before
    yield from _by_user(split, begin, len(split.requests))


def _by_user(split: Split, begin: int, end: int) -> Iterator[list[int]]:
    """What a user's requests share is worked out once."""
    by_user = sorted(range(begin, end), key=lambda q: (split.requests[q].user, q))
    for first in range(0, len(by_user), REQUESTS_TOGETHER):
        yield by_user[first : first + REQUESTS_TOGETHER]


def _moments(system: System, split: Split) -> Iterator[list[int]]:
    """Requests between which nothing becomes visible; before them, whatever has is revealed."""
    revealed_X = split.revealed_X
    at_ms_X = split.part.data.at_ms_X[revealed_X]
    until_ms = [request.sees_until_ms for request in split.requests]
    visible_Q = np.searchsorted(at_ms_X, until_ms, side="right").tolist()
    shown, batch = 0, list[int]()
    for number, visible in enumerate(visible_Q):
        if batch and (visible > shown or len(batch) == REQUESTS_TOGETHER):
            yield batch
            batch = []
        for interaction in revealed_X[shown:visible].tolist():
            system.reveal(interaction)
        shown = max(shown, visible)
        batch.append(number)
    if batch:
        yield batch


def _seen(requests: Sequence[Request], entities: int) -> npt.NDArray[np.bool_]:
    seen_QN = np.zeros((len(requests), entities), np.bool_)
    for seen_N, request in zip(seen_QN, requests, strict=True):
        seen_N[request.history_H] = True
    return seen_QN


def visible_counts(split: Split) -> Ints:
    """Interactions that were visible, by target."""
    count_T = [len(request.history_H) for request in split.requests for _ in request.targets]
    return np.array(count_T, np.int64)
