"""Tables that entities are looked up in by vector: made for each model, indexed in the background.

Searching is exact until an index is built, and always for small catalogs. An index outlives changes
of the catalog: what changed since is searched beside it, until that is too much. Nothing here keeps
a model that has been swapped out.
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from weakref import ReferenceType, WeakKeyDictionary, ref

import structlog

from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.model import Model
from pagecast.engine.vectors.neighbours import NeighbourIndex, Neighbours, unit

_log = structlog.get_logger(__name__)

BUILD_NICENESS = 10
"""Priority of the thread that builds an index: pages come first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Indexes:
    """Indexes of one bundle, with its entities as they were when they were built."""

    by_product: NeighbourIndex
    by_cosine: NeighbourIndex


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelNeighbours:
    """One model's neighbours, by product with a user's vector and by cosine with an entity's."""

    by_product: Neighbours
    by_cosine: Neighbours

    @classmethod
    def of(cls, model: Model, indexes: Indexes | None) -> "ModelNeighbours":
        output_NO = model.entities.output_ND
        unit_NO = unit(output_NO)
        if indexes is None:
            return cls(
                by_product=Neighbours(vectors_NO=output_NO),
                by_cosine=Neighbours(vectors_NO=unit_NO),
            )
        product, cosine = indexes.by_product, indexes.by_cosine
        return cls(
            by_product=Neighbours(
                vectors_NO=output_NO, index=product, fresh_I=product.fresh(output_NO)
            ),
            by_cosine=Neighbours(vectors_NO=unit_NO, index=cosine, fresh_I=cosine.fresh(unit_NO)),
        )


class NeighbourIndexes:
    """Safe for threads. Call `close` in the end; it does not wait for a build."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._found: WeakKeyDictionary[Model, ModelNeighbours] = WeakKeyDictionary()
        self._indexes: WeakKeyDictionary[Bundle, Indexes] = WeakKeyDictionary()
        self._building = False
        self._closed = False
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="neighbours", initializer=_step_back
        )

    def of(self, model: Model) -> ModelNeighbours:
        """Takes as long as comparing two tables if the model is new, otherwise no time."""
        with self._changing:
            found = self._found.get(model)
            if found is None:
                found = ModelNeighbours.of(model, self._indexes.get(model.bundle))
                self._found[model] = found
            if found.by_product.wants_index and not (self._building or self._closed):
                self._building = True
                self._thread.submit(self._build, ref(model.bundle), found)
        return found

    def close(self) -> None:
        with self._changing:
            self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _build(self, bundle_ref: ReferenceType[Bundle], of: ModelNeighbours) -> None:
        indexes = None
        try:
            indexes = Indexes(
                by_product=NeighbourIndex.build(of.by_product.vectors_NO),
                by_cosine=NeighbourIndex.build(of.by_cosine.vectors_NO),
            )
        except Exception:  # searches stay exact, and the next call is another attempt
            _log.exception("neighbour_index_failed")
        with self._changing:
            self._building = False
            bundle = bundle_ref()
            if indexes is None or bundle is None:
                return
            self._indexes[bundle] = indexes
            for model in [model for model in self._found if model.bundle is bundle]:
                self._found[model] = ModelNeighbours.of(model, indexes)
            _log.info("neighbours_indexed", version=bundle.version)


def _step_back() -> None:
    """Only Linux has a priority for each thread; elsewhere it is the whole process's."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BUILD_NICENESS)
