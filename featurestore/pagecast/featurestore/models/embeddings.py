"""Published embeddings: what a model says of users, entities, genres and rows, as vectors.

Letters in names: D width of input vectors, O width of output vectors and of users'.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from pagecast.featurestore.history.history import HistoryVersion
from pagecast.featurestore.history.packing import PackedHistoryError, pack_body, unpack_body
from pagecast.v1 import history_pb2

FloatArray = npt.NDArray[np.float32]

_MAGIC = b"PCE"

_NOTHING = np.zeros(0, np.float32)


class EmbeddingKind(StrEnum):
    """What an embedding is of. Each kind has a view of its own in Feast."""

    USER = "user"
    ENTITY = "entity"
    GENRE = "genre"
    ROW = "row"

    @property
    def view(self) -> str:
        return f"{self.value}_embedding"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedding:
    """A published embedding. `name` is a user, entity or row id, or a genre.

    `output_O` is a user's vector, or what it is multiplied with; `input_D` is empty for a user.
    `version` is, for a user's, that of the history it was made from, else the catalog's.
    """

    name: str
    model_version: str
    embedded_at_ms: int
    version: HistoryVersion
    output_O: FloatArray
    input_D: FloatArray = field(default_factory=lambda: _NOTHING)


def catalog_version(number: int) -> HistoryVersion:
    """What embeddings of catalog number `number` are stored under: an older number is refused."""
    return HistoryVersion(topic_id="catalog", partition=0, next_offset=number)


def pack_embedding(embedding: Embedding) -> bytes:
    """As the online stores keep it: a header with the version, and a message."""
    message = history_pb2.PackedEmbedding(
        model_version=embedding.model_version,
        embedded_at_ms=embedding.embedded_at_ms,
        input=embedding.input_D.tolist(),
        output=embedding.output_O.tolist(),
    )
    return pack_body(_MAGIC, embedding.version, message.SerializeToString())


def unpack_embedding(name: str, data: bytes) -> Embedding:
    """The inverse of `pack_embedding`. Raises PackedHistoryError."""
    version, body = unpack_body(_MAGIC, data)
    try:
        message = history_pb2.PackedEmbedding.FromString(body)
    except DecodeError as error:
        raise PackedHistoryError(f"the body is no PackedEmbedding: {error}") from error
    return Embedding(
        name=name,
        model_version=message.model_version,
        embedded_at_ms=message.embedded_at_ms,
        version=version,
        output_O=np.array(message.output, np.float32),
        input_D=np.array(message.input, np.float32),
    )
