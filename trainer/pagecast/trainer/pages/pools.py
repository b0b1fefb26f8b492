"""Which entities a row may hold at a moment of the past, by the rules that serving uses.

Letters: N entities of the catalog, R rows of the catalog, W some of the entities, M moments.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.catalog.popularity import HALF_LIFE_MS
from pagecast.rules import bitsets, sources
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RulesConfig
from pagecast.trainer.data.users import UserColumns
from pagecast.v1 import catalog_pb2

MOMENTS = 64
"""Moments at which popularity is taken; between two of them it stands still."""


class Pools:
    """Candidates of every row, without what depends on a person (country, hidden, watched).

    Popularity at a moment is counted from strictly earlier steps.
    """

    def __init__(
        self,
        catalog: CompiledCatalog,
        users: Sequence[UserColumns],
        config: RulesConfig = RulesConfig(),  # noqa: B008 (frozen)
    ) -> None:
        self._catalog, self._config = catalog, config
        self._sources = tuple(row.source for row in catalog.snapshot.rows)
        every_N = np.ones(len(catalog.snapshot.entities), np.bool_)
        self._every_W = bitsets.pack(every_N)
        self._moment_M, self._popular_MN = _popularity(users, len(every_N), config)
        self.continue_rows = tuple(
            r for r, s in enumerate(self._sources) if s == catalog_pb2.ROW_SOURCE_CONTINUE
        )

    def is_because(self, row: int) -> bool:
        return row < len(self._sources) and (self._sources[row] == catalog_pb2.ROW_SOURCE_BECAUSE)

    def shares(self) -> npt.NDArray[np.float64]:
        """`shares_R`: how much of the catalog each row may hold; for a source, its bound."""
        bitmaps_RN = self._catalog.bitmaps_RN
        entities = max(bitmaps_RN.shape[1], 1)
        bounds = {
            catalog_pb2.ROW_SOURCE_POPULAR: self._config.popular_entities_max,
            catalog_pb2.ROW_SOURCE_RECENT: self._config.recent_entities_max,
            catalog_pb2.ROW_SOURCE_CONTINUE: self._config.continue_entities_max,
            catalog_pb2.ROW_SOURCE_BECAUSE: entities,
        }
        count_R = bitmaps_RN.sum(1)
        for row, source in enumerate(self._sources):
            count_R[row] = bounds.get(source, count_R[row])
        shares_R: npt.NDArray[np.float64] = np.minimum(count_R / entities, 1.0)
        return shares_R

    def members(
        self, entity_W: npt.NDArray[np.int64], at_ms: int, argument: int
    ) -> npt.NDArray[np.bool_]:
        """`members_RW`: which of some entities each row may hold at a moment.

        `argument` is the entity of BECAUSE rows, -1 for none. CONTINUE rows hold nothing: what
        they may hold depends on the person.
        """
        members_RW: npt.NDArray[np.bool_] = self._catalog.bitmaps_RN[:, entity_W]
        for row, source in enumerate(self._sources):
            if source == catalog_pb2.ROW_SOURCE_POPULAR:
                members_RW[row] = self._popular(at_ms)[entity_W]
            elif source == catalog_pb2.ROW_SOURCE_RECENT:
                limit = self._config.recent_entities_max
                recent = sources.recent(self._catalog, at_ms, self._every_W, limit)
                members_RW[row] = np.isin(entity_W, recent)
            elif source == catalog_pb2.ROW_SOURCE_BECAUSE and argument >= 0:
                like_W = sources.like(self._catalog, argument, self._every_W)
                members_RW[row] = bitsets.held(like_W, entity_W)
        return members_RW

    def _popular(self, at_ms: int) -> npt.NDArray[np.bool_]:
        moment = int(np.searchsorted(self._moment_M, at_ms, side="right")) - 1
        popular_N: npt.NDArray[np.bool_] = self._popular_MN[max(moment, 0)]
        return popular_N


def _popularity(
    users: Sequence[UserColumns], entities: int, config: RulesConfig
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """`moment_M` and `popular_MN`, each moment from what happened before it."""
    at_ms = np.concatenate([u.at_ms_N for u in users])
    entity = np.concatenate([u.entity_N for u in users])
    order = np.argsort(at_ms, kind="stable")
    order = order[entity[order] >= 0]
    at_ms, entity = at_ms[order], entity[order]
    popular_MN = np.zeros((MOMENTS, entities), np.bool_)
    if not len(at_ms):
        return np.zeros(MOMENTS, np.int64), popular_MN
    moment_M = np.linspace(at_ms[0], at_ms[-1], MOMENTS).astype(np.int64)
    score_N = np.zeros(entities)
    done = 0
    for m, bound in enumerate(np.searchsorted(at_ms, moment_M, side="left").tolist()):
        elapsed_ms = moment_M[m] - moment_M[max(m - 1, 0)]
        score_N *= 2.0 ** (-elapsed_ms / HALF_LIFE_MS)
        age_ms = moment_M[m] - at_ms[done:bound]
        np.add.at(score_N, entity[done:bound], 2.0 ** (-age_ms / HALF_LIFE_MS))
        done = bound
        best = np.argsort(-score_N, kind="stable")[: config.popular_entities_max]
        popular_MN[m, best] = score_N[best] > 0
    return moment_M, popular_MN
