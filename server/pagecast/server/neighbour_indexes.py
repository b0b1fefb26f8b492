"""What entities are looked up in by their vectors: made for each model, indexed in the background.

Searching is exact until an index stands, and for small catalogs for ever. An index outlives changes
of the catalog: what changed since is searched beside it, until that is too much.
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from pagecast.engine.model import Model
from pagecast.engine.neighbours import NeighbourIndex, Neighbours, unit

_log = structlog.get_logger(__name__)

BUILD_NICENESS = 10
"""Priority of the thread that builds an index: pages come first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelNeighbours:
    """Of one model: by product with a user's vector, and by cosine with another entity's."""

    model: Model
    by_product: Neighbours
    by_cosine: Neighbours

    @classmethod
    def of(cls, model: Model, older: "ModelNeighbours | None") -> "ModelNeighbours":
        """`older` lends its indexes if it is of the same bundle."""
        output_NO = model.entities.output_ND
        unit_NO = unit(output_NO)
        if older is None or older.model.bundle is not model.bundle:
            return cls(
                model=model,
                by_product=Neighbours(vectors_NO=output_NO),
                by_cosine=Neighbours(vectors_NO=unit_NO),
            )
        return cls(
            model=model,
            by_product=_with_index(Neighbours(vectors_NO=output_NO), older.by_product.index),
            by_cosine=_with_index(Neighbours(vectors_NO=unit_NO), older.by_cosine.index),
        )


class NeighbourIndexes:
    """Safe for threads. Call `close` in the end; it does not wait for a build."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._newest: ModelNeighbours | None = None
        self._building = False
        self._closed = False
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="neighbours", initializer=_step_back
        )

    def of(self, model: Model) -> ModelNeighbours:
        """Takes as long as comparing two tables when the model is new, nothing otherwise."""
        newest = self._newest
        if newest is not None and newest.model is model:
            return newest
        with self._changing:
            if self._newest is None or self._newest.model is not model:
                self._newest = ModelNeighbours.of(model, self._newest)
            newest = self._newest
            if newest.by_product.wants_index and not (self._building or self._closed):
                self._building = True
                self._thread.submit(self._build, newest)
        return newest

    def close(self) -> None:
        with self._changing:
            self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _build(self, of: ModelNeighbours) -> None:
        try:
            indexes = [
                NeighbourIndex.build(neighbours.vectors_NO)
                for neighbours in (of.by_product, of.by_cosine)
            ]
        except Exception:  # searching goes on exactly; the next model is another attempt
            _log.exception("neighbour_index_failed", version=of.model.version)
            indexes = []
        with self._changing:
            self._building = False
            newest = self._newest
            if indexes and newest is not None and newest.model.bundle is of.model.bundle:
                by_product, by_cosine = indexes
                self._newest = ModelNeighbours(
                    model=newest.model,
                    by_product=_with_index(newest.by_product, by_product),
                    by_cosine=_with_index(newest.by_cosine, by_cosine),
                )
                _log.info("neighbours_indexed", version=newest.model.version)


def _with_index(neighbours: Neighbours, index: NeighbourIndex | None) -> Neighbours:
    if index is None:
        return neighbours
    vectors_NO = neighbours.vectors_NO
    return Neighbours(vectors_NO=vectors_NO, index=index, fresh_I=index.fresh(vectors_NO))


def _step_back() -> None:
    """Linux has a priority for each thread; elsewhere it would be the whole process's."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BUILD_NICENESS)
