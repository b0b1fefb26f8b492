"""The map through which embeddings are published, so that those of two releases can be compared.

Training leaves the axes of embeddings to chance: a retrained model has other axes, and whatever
others have fitted to the old ones breaks. Nothing inside a bundle changes because of that: its
graphs give the embeddings of training, pages are made from those, and code that publishes
embeddings multiplies them by this map (docs/adr/0018-stable-embeddings.md).

Letters: X embeddings, O width of output embeddings, P width of published ones (the same).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from pagecast.engine.bundles.files import open_bundle
from pagecast.engine.bundles.manifest import STABILISATION_FILE, ModelShape
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import FloatArray

Map = npt.NDArray[np.float64]

PRODUCT_TOLERANCE = 1e-6
"""Largest deviation of an entry of the maps' product from the identity: otherwise products of
embeddings are not kept, and the two are not of one map. In 64 bits they are off by 1e-9."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stabilisation:
    """`entity_OP` for output embeddings of entities and rows, `user_OP` for hidden states.

    Their product `entity_OP @ user_OP.T` is the identity, so published embeddings have the products
    (scores) of the model's own. 64 bits, so that only the published embedding is rounded.
    """

    entity_OP: Map
    user_OP: Map

    @classmethod
    def identity(cls, width: int) -> Self:
        """Publishes embeddings as they are, for a bundle without a map."""
        return cls(entity_OP=np.eye(width), user_OP=np.eye(width))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises BundleError if `data` is not a map, or its two sides do not belong together."""
        try:
            tensors = load_safetensors(data)
            found = cls(entity_OP=tensors["entity_OP"], user_OP=tensors["user_OP"])
        except (SafetensorError, KeyError) as error:
            raise BundleError(f"{STABILISATION_FILE}: not a map: {error}") from error
        shapes = {found.entity_OP.shape, found.user_OP.shape}
        types = {found.entity_OP.dtype, found.user_OP.dtype}
        square = len(shapes) == 1 and found.entity_OP.ndim == 2 and len(set(*shapes)) == 1
        if not square or types != {np.dtype(np.float64)}:
            raise BundleError(
                f"{STABILISATION_FILE}: two square float64 maps of one width expected"
            )
        off = np.abs(found.entity_OP @ found.user_OP.T - np.eye(found.width)).max()
        if not off <= PRODUCT_TOLERANCE:
            raise BundleError(f"{STABILISATION_FILE}: its two maps are not of one another")
        return found

    def to_bytes(self) -> bytes:
        """What is in the file `stabilisation.safetensors`."""
        return save_safetensors(
            {
                "entity_OP": np.ascontiguousarray(self.entity_OP),
                "user_OP": np.ascontiguousarray(self.user_OP),
            }
        )

    @property
    def width(self) -> int:
        return len(self.entity_OP)

    def entities(self, output_XO: FloatArray) -> FloatArray:
        """Published embeddings of entities or rows, from their output embeddings."""
        return (output_XO @ self.entity_OP).astype(np.float32)

    def users(self, hidden_XO: FloatArray) -> FloatArray:
        """Published embeddings of users, from the hidden states after [prompt, ROW]."""
        return (hidden_XO @ self.user_OP).astype(np.float32)


def stabilisation_of(files: Mapping[str, bytes], model: ModelShape) -> Stabilisation:
    """The map of a bundle's files; the identity if it was published without one.

    Raises BundleError if it is no map for the model.
    """
    data = files.get(STABILISATION_FILE)
    if data is None:
        return Stabilisation.identity(model.output_dim)
    found = Stabilisation.from_bytes(data)
    if found.width != model.output_dim:
        raise BundleError(
            f"{STABILISATION_FILE}: for embeddings of {found.width}, the model's are "
            f"{model.output_dim} wide"
        )
    return found


def load_stabilisation(bundle: Path) -> Stabilisation:
    """The map of the bundle in a directory. Raises BundleError."""
    manifest, files = open_bundle(bundle)
    return stabilisation_of(files, manifest.model)
