"""The manifest of a bundle: what is in it, sealed so that no changed bit goes unnoticed.

The trainer writes it and the engine reads it through this one class. It is canonical JSON that
contains its own digest: there is exactly one sequence of bytes for its contents, and any other is
refused (docs/facts.md: single bit flips of a graph load without complaint and change its outputs).
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from pagecast.engine.bundles.sealed import FileDigest as FileDigest
from pagecast.engine.bundles.sealed import ManifestError as ManifestError
from pagecast.engine.bundles.sealed import Sealed, SealedManifest

MANIFEST_FILE = "manifest.json"

VOCABULARY_FILE = "vocabulary.json"
TOWER_FILE = "entity_tower.onnx"
PROMPT_FILE = "prompt.onnx"
DECODE_FILE = "decode.onnx"
DECODE_INT8_FILE = "decode_int8.onnx"
DECODE_INT8_MANY_FILE = "decode_int8_many.onnx"
CHECKPOINT_FILE = "checkpoint.safetensors"
CANARY_FILE = "canary.safetensors"
STABILISATION_FILE = "stabilisation.safetensors"
HEADS_FILE = "heads.onnx"
EMBEDDINGS_FILE = "embeddings.safetensors"
SERVING_FILE = "serving.safetensors"

BUNDLE_FILES = (
    VOCABULARY_FILE, TOWER_FILE, PROMPT_FILE, DECODE_FILE, DECODE_INT8_FILE, CHECKPOINT_FILE,
    CANARY_FILE,
)  # fmt: skip
"""What every bundle holds besides its manifest."""

OPTIONAL_FILES = (
    STABILISATION_FILE,
    HEADS_FILE,
    EMBEDDINGS_FILE,
    SERVING_FILE,
    DECODE_INT8_MANY_FILE,
)
"""What a bundle may also hold. One that is older than these still serves: what the first is for has
a documented default, `Manifest.heads` says which heads there are, embeddings that are not ready are
made, what a server needs of the checkpoint is read from there, and without a form for runs of many
tokens the other one with 8-bit weights takes them, at twice the cost."""


class PredictionHead(StrEnum):
    """What a head predicts about the next entity, besides the entity itself."""

    GENRE = "genre"
    LANGUAGE = "language"

    @property
    def output(self) -> str:
        """Its logits in `heads.onnx`: over the vocabulary's names after the unknown one (0)."""
        return "genre_BG" if self is PredictionHead.GENRE else "language_BW"


class DecodeWeights(StrEnum):
    """How a decode graph keeps its weights. Inputs, outputs and caches are the same."""

    FP32 = "fp32"
    """As trained: the form that is compared with torch."""

    INT8 = "int8"
    """Rounded to 8 bits in blocks; so are the states they are multiplied with (docs/adr/0012)."""

    @property
    def file(self) -> str:
        return DECODE_INT8_FILE if self is DecodeWeights.INT8 else DECODE_FILE

    @property
    def many_file(self) -> str | None:
        """The file of its form for runs of many tokens, if it has a separate one."""
        return DECODE_INT8_MANY_FILE if self is DecodeWeights.INT8 else None


class ModelShape(Sealed):
    """Sizes of the model: the engine's buffers and checks follow from them.

    Output embeddings and the hidden states they are multiplied with are `output_dim` wide, input
    embeddings `d_model`. `genres` counts the genres of the vocabulary, `steps_max` the steps of the
    longest prompt, `positions_max` the positions of the longest prompt and page together;
    `compress_keep` is that of `pagecast.featurestore.prompt.compression`. `codes` counts the codes
    of a level of semantic IDs; it is 0 if entities are tokens, and then not in the file, as before
    there were semantic IDs.
    """

    d_model: int = Field(gt=0)
    output_dim: int = Field(gt=0)
    layers: int = Field(gt=0)
    query_heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    genres: int = Field(ge=0)
    steps_max: int = Field(gt=0)
    positions_max: int = Field(gt=0)
    compress_keep: int = Field(default=0, ge=0)
    codes: int = Field(default=0, ge=0)

    @property
    def semantic(self) -> bool:
        return self.codes > 0

    @property
    def compresses(self) -> bool:
        return self.compress_keep > 0


class Manifest(SealedManifest):
    """What a bundle holds. `version` is the content address of `files` (`bundle_version`).

    Format 1 knew neither people, countries of origin nor content embeddings, format 2 no context
    between history and request: their graphs take other inputs. Format 3 had a graph for the prompt
    that ran the whole model, and one for tokens that copied the cache at every run; it had no graph
    with 8-bit weights.

    `heads` names the heads that were trained; if there are any, the bundle has `heads.onnx`, and
    its decode graph also returns the decoder's state.
    """

    older_formats: ClassVar[tuple[int, ...]] = (1, 2, 3)
    left_out_if_empty: ClassVar[tuple[str, ...]] = ("heads", "model.codes")

    format: Literal[4] = 4
    model: ModelShape
    heads: tuple[PredictionHead, ...] = ()
    opset: int


def bundle_version(files: Mapping[str, FileDigest]) -> str:
    """First 16 hexadecimal digits of SHA-256 over the sorted lines `name sha256`."""
    lines = "".join(f"{name} {files[name].sha256}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
