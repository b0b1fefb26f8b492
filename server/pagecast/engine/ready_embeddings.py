"""Embeddings that a bundle brings with it, so that taking up a model need not embed a catalog.

They are those of its own entity tower for the catalog it was trained on, each bound to a version of
an entity. A server takes those whose version is that of its catalog, and embeds the others
(docs/adr/0021-ready-embeddings.md).

Letters in names: E entities of the catalog of training, N of the snapshot, D width.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from pagecast.engine.errors import BundleError
from pagecast.engine.graph import FloatArray
from pagecast.engine.manifest import EMBEDDINGS_FILE, ModelShape
from pagecast.featurestore.snapshot import CatalogEntity
from pagecast.rules.predicates import Indices

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadyEmbeddings:
    """Of entities as they were when their change had `number_E` and happened at `changed_at_ms_E`.

    The three together name a version: numbers begin anew with a catalog topic that starts over.
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
        """Raises BundleError for what is no such file, or of another model."""
        try:
            tensors = load_safetensors(data)
            entity_ids = json.loads(tensors.pop("entity_ids").tobytes())
            found = cls(entity_ids=entity_ids, **tensors)
            shapes = _shapes(len(entity_ids), model)
            right = all(
                getattr(found, name).shape == shape and getattr(found, name).dtype == kind
                for name, (shape, kind) in shapes.items()
            )
        except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise BundleError(f"{EMBEDDINGS_FILE}: no embeddings: {error}") from error
        if not right:
            raise BundleError(f"{EMBEDDINGS_FILE}: shapes must be {shapes}")
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

    def matching(self, entities: Sequence[CatalogEntity]) -> tuple[Indices, Indices]:
        """Indices of `entities` whose very version is here, and its index here for each."""
        index = {entity_id: at for at, entity_id in enumerate(self.entity_ids)}
        here_N = np.array([index.get(entity.entity_id, -1) for entity in entities], np.int64)
        at_X = np.flatnonzero(here_N >= 0)
        here_X = here_N[at_X]
        same_X = self.number_E[here_X] == _numbers(entities)[at_X]
        same_X &= self.changed_at_ms_E[here_X] == _changes_ms(entities)[at_X]
        return at_X[same_X], here_X[same_X]


class OnlyOnce:
    """What is taken the first time and not held afterwards: embeddings are copied into a table."""

    def __init__(self, ready: ReadyEmbeddings | None) -> None:
        self._ready = [] if ready is None else [ready]

    def take(self) -> ReadyEmbeddings | None:
        """None if there never was any, or somebody has it. Safe for threads."""
        try:
            return self._ready.pop()
        except IndexError:
            return None


def ready_of(files: Mapping[str, bytes], model: ModelShape) -> OnlyOnce:
    """Those of a bundle's files, if it was published with any. Raises BundleError."""
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
