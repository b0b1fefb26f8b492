"""Data sets small enough to check by hand. Moments are seconds."""

from collections.abc import Sequence

import numpy as np
from factories import play
from trainer.factories_trainer import logged, replayed

from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.trainer.evaluation.protocols.interactions import Interactions, interactions_of
from pagecast.trainer.evaluation.protocols.requests import FitPart, Request
from pagecast.trainer.evaluation.systems.system import Scores, Told

Row = tuple[str, str, float]
"""User, entity, second."""


def catalog_of(*entity_ids: str) -> CatalogSnapshot:
    entities = [
        CatalogEntity(entity_id=e, kind=1, title=e, number=1, changed_at_ms=0, attributes={})
        for e in entity_ids
    ]
    return CatalogSnapshot(number=1, entities=tuple(entities), rows=())


def data_of(*rows: Row, catalog: Sequence[str] = ()) -> Interactions:
    """Plays, in the order of a file; all go through the fold."""
    events = [play(user, entity, round(at_s * 1000)) for user, entity, at_s in rows]
    return interactions_of(replayed(logged(events)), catalog_of(*catalog))


def timeline(*last: Row) -> Interactions:
    """Eighteen plays of two users, a second apart from 1 on, then two more: the tests' tenth."""
    first = [(f"{1 + i % 2}", f"e{i}", float(i + 1)) for i in range(18)]
    assert len(last) == 2
    return data_of(*first, *last)


def names(data: Interactions, entities: Sequence[int]) -> list[str]:
    return [data.entities[entity] for entity in entities]


def rows_of(data: Interactions, interactions: Sequence[int]) -> list[Row]:
    return [
        (
            data.users[int(data.user_X[x])].user_id,
            data.entities[int(data.entity_X[x])],
            int(data.at_ms_X[x]) / 1000,
        )
        for x in interactions
    ]


def part_of(data: Interactions) -> FitPart:
    """A fit part that has everything."""
    return FitPart(
        data=data,
        fit_X=np.ones(len(data), np.bool_),
        steps_U=np.array([len(user.steps) for user in data.users], np.int64),
    )


def request_of(data: Interactions, *history: str) -> Request:
    """A request of someone with this history; what else it holds does not matter."""
    return Request(
        user=0,
        at_ms=0,
        step=0,
        visible=0,
        history_H=np.array([data.entities.index(e) for e in history], np.int64),
        sees_until_ms=-1,
        targets=(),
    )


def untold(share: float) -> None:
    """Progress that nobody wants."""


class Fixed:
    """Scores that are given, and a record of what it was shown and asked, in order."""

    def __init__(self, scores: Sequence[float] = (), *, learns: bool = True) -> None:
        self.learns = learns
        self.log: list[tuple[str, object]] = []
        self._scores = scores

    def fit(self, part: FitPart, told: Told) -> None:
        self._data = part.data
        self.log.append(("fit", len(part.interactions())))

    def scores(self, requests: Sequence[Request]) -> Scores:
        entities = len(self._data.entities)
        for request in requests:
            self.log.append(("asked", names(self._data, request.history_H.tolist())))
        scores = self._scores or np.zeros(entities)
        return np.tile(np.array(scores, np.float64), (len(requests), 1))

    def reveal(self, interaction: int) -> None:
        self.log.append(("shown", self._data.entities[int(self._data.entity_X[interaction])]))

    def retrain(self, part: FitPart) -> None:
        self.log.append(("retrained", len(part.interactions())))
