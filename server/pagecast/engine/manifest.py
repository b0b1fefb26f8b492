"""The manifest of a bundle: what is in it, sealed so that no changed bit goes unnoticed.

The trainer writes it and the engine reads it through this one class. It is canonical JSON that
contains its own digest: there is exactly one sequence of bytes for its contents, and any other is
refused (docs/facts.md: single bit flips of a graph load without complaint and change its outputs).
"""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

MANIFEST_FILE = "manifest.json"

VOCABULARY_FILE = "vocabulary.json"
TOWER_FILE = "entity_tower.onnx"
PROMPT_FILE = "prompt.onnx"
DECODE_FILE = "decode.onnx"
DECODE_INT8_FILE = "decode_int8.onnx"
CHECKPOINT_FILE = "checkpoint.safetensors"
CANARY_FILE = "canary.safetensors"

BUNDLE_FILES = (
    VOCABULARY_FILE, TOWER_FILE, PROMPT_FILE, DECODE_FILE, DECODE_INT8_FILE, CHECKPOINT_FILE,
    CANARY_FILE,
)  # fmt: skip
"""What every bundle holds beside its manifest."""


class DecodeWeights(StrEnum):
    """How a decode graph keeps its weights. Inputs, outputs and caches are the same."""

    FP32 = "fp32"
    """As trained: the form that is compared with torch."""

    INT8 = "int8"
    """Rounded to 8 bits in blocks; so are the states they are multiplied with (docs/adr/0012)."""

    @property
    def file(self) -> str:
        return DECODE_INT8_FILE if self is DecodeWeights.INT8 else DECODE_FILE


class ManifestError(ValueError):
    """The bytes are not a sealed manifest of a format this engine reads."""


class _Sealed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FileDigest(_Sealed):
    """A file's contents: digest in lower-case hexadecimal, size in bytes."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0, alias="bytes")

    @classmethod
    def of(cls, data: bytes) -> "FileDigest":
        return cls.model_validate({"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})


class ModelShape(_Sealed):
    """Sizes of the model: the engine's buffers and checks follow from them.

    Output embeddings and the hidden states they are multiplied with are `output_dim` wide, input
    embeddings `d_model`. `genres` counts the genres of the vocabulary, `steps_max` the steps of the
    longest prompt, `positions_max` the positions of the longest prompt and page together;
    `compress_keep` is that of `pagecast.featurestore.compression`. `codes` are those of a level of
    semantic IDs, 0 if entities are tokens: then it is not in the file, as before there were any.
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


class Manifest(_Sealed):
    """What a bundle holds. `version` is the content address of `files` (`bundle_version`).

    Format 1 knew neither people, countries of origin nor content embeddings, format 2 no context
    between history and request: their graphs take other inputs. Format 3 had a graph for the prompt
    that ran the whole model, and one for tokens that copied the cache at every run; it had no graph
    with 8-bit weights.
    """

    format: Literal[4] = 4
    version: str = Field(pattern="^[0-9a-f]{16}$")
    parent_version: str = ""
    created_at: str
    files: dict[str, FileDigest]
    model: ModelShape
    opset: int
    data: dict[str, JsonValue] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    config: dict[str, JsonValue] = Field(default_factory=dict)

    def seal(self) -> bytes:
        """The bytes of `manifest.json`. Raises ValueError for a number JSON cannot hold."""
        contents = self.model_dump(mode="json", by_alias=True)
        if not self.model.codes:
            del contents["model"]["codes"]
        digest = hashlib.sha256(_canonical(contents)).hexdigest()
        return _canonical(contents | {"sha256": digest})

    @classmethod
    def unseal(cls, data: bytes) -> Self:
        """Reads `manifest.json`. Raises ManifestError with the field or the reason."""
        try:
            contents = json.loads(data)
            if not isinstance(contents, dict) or contents.pop("sha256", None) is None:
                raise ManifestError("no `sha256`: write the manifest with `Manifest.seal`")
            if (of := contents.get("format")) in (1, 2, 3):
                raise ManifestError(f"`format`: {of} is of an older version: train a new model")
            manifest = cls.model_validate_json(json.dumps(contents))
            if manifest.seal() != data:
                raise ManifestError("its contents do not match its `sha256`")
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ManifestError(f"`{field}`: {first['msg']}") from error
        except (ValueError, RecursionError) as error:
            if isinstance(error, ManifestError):
                raise
            raise ManifestError(f"not JSON: {error}") from error
        return manifest


def bundle_version(files: Mapping[str, FileDigest]) -> str:
    """First 16 hexadecimal digits of SHA-256 over the sorted lines `name sha256`."""
    lines = "".join(f"{name} {files[name].sha256}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _canonical(contents: Mapping[str, JsonValue]) -> bytes:
    text = json.dumps(contents, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()
