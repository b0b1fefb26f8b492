"""What training leaves of a multi-stage baseline, and how it lies in its bundle's files.

Letters in names: C entities of the training, F features of an entity, G features of a row.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from pagecast.engine.errors import BundleError
from pagecast.engine.graph import FloatArray
from pagecast.engine.multi_stage.features import ENTITY_FEATURES, ROW_FEATURES
from pagecast.engine.multi_stage.manifest import ENTITIES_FILE, TABLES_FILE


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiStageTables:
    """Tables by entity id, float32.

    `weight_CC` is EASE's matrix, `count_C` how often each was taken up lately when it was trained;
    `entity_ranker_F` and `row_ranker_G` are the rankers' weights of features. After `history_half`
    newer entities, one in a history weighs half as much.
    """

    entity_ids: tuple[str, ...]
    weight_CC: FloatArray
    count_C: FloatArray
    entity_ranker_F: FloatArray
    row_ranker_G: FloatArray
    history_half: float

    def to_files(self) -> dict[str, bytes]:
        """Contents by file name."""
        tensors = {
            "weight_CC": self.weight_CC,
            "count_C": self.count_C,
            "entity_ranker_F": self.entity_ranker_F,
            "row_ranker_G": self.row_ranker_G,
            "history_half_1": np.array([self.history_half]),
        }
        same = {n: np.ascontiguousarray(t, np.float32) for n, t in tensors.items()}
        return {
            ENTITIES_FILE: json.dumps(self.entity_ids, ensure_ascii=False).encode(),
            TABLES_FILE: save_safetensors(same),
        }

    @classmethod
    def of_files(cls, files: Mapping[str, bytes]) -> "MultiStageTables":
        """Raises BundleError with the file and the reason if something is unfit."""
        entity_ids = _names(files[ENTITIES_FILE])
        entities = len(entity_ids)
        try:
            tables = load_safetensors(files[TABLES_FILE])
        except SafetensorError as error:
            raise BundleError(f"{TABLES_FILE}: not safetensors: {error}") from error
        shapes = {
            "weight_CC": (entities, entities),
            "count_C": (entities,),
            "entity_ranker_F": (len(ENTITY_FEATURES),),
            "row_ranker_G": (len(ROW_FEATURES),),
            "history_half_1": (1,),
        }
        for name, shape in shapes.items():
            table = tables.get(name)
            if table is None or table.shape != shape or table.dtype != np.float32:
                raise BundleError(f"{TABLES_FILE}: `{name}` must be float32 of shape {shape}")
            if not np.isfinite(table).all():
                raise BundleError(f"{TABLES_FILE}: `{name}` holds a value that is not finite")
        history_half = float(tables.pop("history_half_1")[0])
        if history_half <= 0:
            raise BundleError(f"{TABLES_FILE}: `history_half_1` must be above 0")
        return cls(entity_ids=entity_ids, history_half=history_half, **tables)


def _names(data: bytes) -> tuple[str, ...]:
    try:
        names = json.loads(data)
    except ValueError as error:
        raise BundleError(f"{ENTITIES_FILE}: not JSON: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BundleError(f"{ENTITIES_FILE}: must be a list of entity ids")
    return tuple(names)
