"""What manifests of all kinds of bundles share: exactly one sequence of bytes for their contents.

A manifest is canonical JSON that contains its own digest: any other bytes are refused
(docs/facts.md: single bit flips of a graph load without complaint and change its outputs).
"""

import hashlib
import json
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError


class ManifestError(ValueError):
    """The bytes are not a sealed manifest of a format this engine reads."""


class Sealed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FileDigest(Sealed):
    """A file's contents: digest in lower-case hexadecimal, size in bytes."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0, alias="bytes")

    @classmethod
    def of(cls, data: bytes) -> "FileDigest":
        return cls.model_validate({"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})


class SealedManifest(Sealed):
    """Fields of every manifest. `version` is the content address of `files`."""

    older_formats: ClassVar[tuple[int, ...]] = ()
    """Formats that are no longer read."""

    left_out_if_empty: ClassVar[tuple[str, ...]] = ()
    """Fields newer than the format, by dotted path: older manifests, whose bytes are sealed, lack
    them."""

    format: int
    version: str = Field(pattern="^[0-9a-f]{16}$")
    parent_version: str = ""
    created_at: str
    files: dict[str, FileDigest]
    data: dict[str, JsonValue] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    config: dict[str, JsonValue] = Field(default_factory=dict)

    def seal(self) -> bytes:
        """The bytes of `manifest.json`. Raises ValueError for a number JSON cannot hold."""
        contents = self.model_dump(mode="json", by_alias=True)
        for path in self.left_out_if_empty:
            *parents, name = path.split(".")
            part = reduce(getitem, parents, contents)
            if not part[name]:
                del part[name]
        digest = hashlib.sha256(_canonical(contents)).hexdigest()
        return _canonical(contents | {"sha256": digest})

    @classmethod
    def unseal(cls, data: bytes) -> Self:
        """Reads `manifest.json`. Raises ManifestError with the field or the reason."""
        try:
            contents = json.loads(data)
            if not isinstance(contents, dict) or contents.pop("sha256", None) is None:
                raise ManifestError("no `sha256`: write the manifest with `Manifest.seal`")
            if (of := contents.get("format")) in cls.older_formats:
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


def _canonical(contents: Mapping[str, JsonValue]) -> bytes:
    text = json.dumps(contents, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()
