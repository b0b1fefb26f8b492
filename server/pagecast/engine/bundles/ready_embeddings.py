"""Embeddings that a bundle brings along, so that taking up a model need not embed a catalog.

They come from its own entity tower for the catalog it was trained on, each bound to a version of an
entity. A server uses those whose version is the one in its catalog, and embeds the others
(docs/adr/0021-ready-embeddings.md).

Letters in names: E entities of the catalog of training, N of the snapshot, D width.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save as save_safetensors

from pagecast.engine.bundles.manifest import EMBEDDINGS_FILE, ModelShape
from pagecast.engine.bundles.tensor_file import TensorFile
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import FloatArray
from pagecast.featurestore.catalog.snapshot import CatalogEntity

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadyEmbeddings:
    """Of at least one entity, each as its change with `number_E` at `changed_at_ms_E` left it.

    Id, number and time together name a version: numbers begin anew when a catalog topic starts
    over.
    """

    entity_ids: Sequence[str]
    number_E: Longs
    changed_at_ms_E: Longs
    input_ED: FloatArray
    output_ED: FloatArray

    @classmethod
    def of(
        cls, entities: Sequence[CatalogEntity], input_ED: FloatArray, output_ED: FloatArray
    ) -> Self:
        """What the tower gave for these entities."""
        return cls(
            entity_ids=[entity.entity_id for entity in entities],
            number_E=_numbers(entities),
            changed_at_ms_E=_changes_ms(entities),
            input_ED=input_ED,
            output_ED=output_ED,
        )

    @classmethod
    def from_bytes(cls, data: bytes, model: ModelShape) -> Self:
        """Raises BundleError if `data` is not such a file, or is another model's."""
        try:
            tensors: Mapping[str, Any] = TensorFile(data)
            entity_ids = json.loads(tensors["entity_ids"].tobytes())
            shapes = _shapes(len(entity_ids), model)
            found = cls(entity_ids=entity_ids, **{name: tensors[name] for name in shapes})
            right = all(
                getattr(found, name).shape == shape and getattr(found, name).dtype == kind
                for name, (shape, kind) in shapes.items()
            )
        except (KeyError, ValueError, TypeError) as error:
            raise BundleError(f"{EMBEDDINGS_FILE}: no embeddings: {error}") from error
        if not (right and entity_ids):
            raise BundleError(f"{EMBEDDINGS_FILE}: shapes must be {shapes}, of one entity at least")
        if not (np.isfinite(found.input_ED).all() and np.isfinite(found.output_ED).all()):
            raise BundleError(f"{EMBEDDINGS_FILE}: an embedding is no number")
        return found

    def to_bytes(self) -> bytes:
        """What is in the file `embeddings.safetensors`."""
        ids = json.dumps(list(self.entity_ids), ensure_ascii=False, separators=(",", ":"))
        return save_safetensors(
            {
                "entity_ids": np.frombuffer(ids.encode(), np.uint8),
                "number_E": self.number_E,
                "changed_at_ms_E": self.changed_at_ms_E,
                "input_ED": np.ascontiguousarray(self.input_ED),
                "output_ED": np.ascontiguousarray(self.output_ED),
            }
        )

    def tables(
        self, entities: Sequence[CatalogEntity]
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
        """Input and output embeddings [N, D] of `entities`, and which of them are right [N].

        The other rows are arbitrary. If all are right and in the same order, the arrays are this
        object's own: read-only.
        """
        index = {entity_id: at for at, entity_id in enumerate(self.entity_ids)}
        here_N = np.array([index.get(entity.entity_id, -1) for entity in entities], np.int64)
        right_N = here_N >= 0
        right_N &= self.number_E[here_N] == _numbers(entities)
        right_N &= self.changed_at_ms_E[here_N] == _changes_ms(entities)
        if right_N.all() and np.array_equal(here_N, np.arange(len(self.entity_ids))):
            return self.input_ED, self.output_ED, right_N
        return self.input_ED[here_N], self.output_ED[here_N], right_N


class OnlyOnce:
    """Holds embeddings until they are taken for the first time."""

    def __init__(self, ready: ReadyEmbeddings | None) -> None:
        self._ready = [] if ready is None else [ready]

    def take(self) -> ReadyEmbeddings | None:
        """None if there never were any, or they have been taken. Safe for threads."""
        try:
            return self._ready.pop()
        except IndexError:
            return None


def ready_of(files: Mapping[str, bytes], model: ModelShape) -> OnlyOnce:
    """The embeddings in a bundle's files, if it was published with any. Raises BundleError."""
    data = files.get(EMBEDDINGS_FILE)
    return OnlyOnce(None if data is None else ReadyEmbeddings.from_bytes(data, model))


def _numbers(entities: Sequence[CatalogEntity]) -> Longs:
    return np.array([entity.number for entity in entities], np.int64)


def _changes_ms(entities: Sequence[CatalogEntity]) -> Longs:
    return np.array([entity.changed_at_ms for entity in entities], np.int64)


def _shapes(entities: int, model: ModelShape) -> dict[str, tuple[tuple[int, ...], type]]:
    return {
        "number_E": ((entities,), np.int64),
        "changed_at_ms_E": ((entities,), np.int64),
        "input_ED": ((entities, model.d_model), np.float32),
        "output_ED": ((entities, model.output_dim), np.float32),
    }
