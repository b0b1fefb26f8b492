"""Reads the files of a bundle and compares every byte with the manifest.

Single bit flips of a graph load without complaint and change its outputs (docs/facts.md), so
nothing is parsed before its digest is known to be right.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

from pagecast.engine.errors import BundleError
from pagecast.engine.manifest import (
    BUNDLE_FILES,
    HEADS_FILE,
    MANIFEST_FILE,
    OPTIONAL_FILES,
    FileDigest,
    Manifest,
    ManifestError,
    bundle_version,
)
from pagecast.engine.sealed import SealedManifest

GENERATIVE = "generative"
"""The kind of a bundle whose manifest names none."""

MANIFEST_BYTES_MAX = 1 << 20
"""A manifest is a few kilobytes; a larger file is not one, and is not read."""

FILE_BYTES_MAX = 2 << 30
"""protobuf holds no larger graph; a larger file is not read into memory."""


AnyManifest = TypeVar("AnyManifest", bound=SealedManifest)


def kind_of(path: Path) -> str:
    """The kind that the manifest of the bundle in `path` names; GENERATIVE if it names none.

    Nothing is verified. Raises BundleError if the manifest cannot be read.
    """
    data = _read(path / MANIFEST_FILE, MANIFEST_BYTES_MAX)
    try:
        contents = json.loads(data)
    except (ValueError, RecursionError):
        return GENERATIVE  # Who loads it says what is wrong with it.
    kind = contents.get("kind") if isinstance(contents, dict) else None
    return kind if isinstance(kind, str) else GENERATIVE


def read_bundle_files(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of the generative model in the directory `path`, and its files by name:
    BUNDLE_FILES, and which of OPTIONAL_FILES it has.

    Raises BundleError with the file and the reason.
    """
    if (kind := kind_of(path)) != GENERATIVE:
        raise BundleError(f"{MANIFEST_FILE}: a {kind} bundle has no generative model in it")
    manifest, files = read_files(path, Manifest, BUNDLE_FILES, OPTIONAL_FILES)
    if (HEADS_FILE in files) != bool(manifest.heads):
        raise BundleError(f"{MANIFEST_FILE}: `heads` and {HEADS_FILE} go together")
    return manifest, files


def read_files(
    path: Path, manifest_type: type[AnyManifest], names: Collection[str], may: Collection[str] = ()
) -> tuple[AnyManifest, dict[str, bytes]]:
    """The manifest of the bundle in the directory `path`, and the contents of its files by name:
    `names`, and which of `may` it has.

    Raises BundleError with the file and the reason.
    """
    try:
        manifest = manifest_type.unseal(_read(path / MANIFEST_FILE, MANIFEST_BYTES_MAX))
    except ManifestError as error:
        raise BundleError(f"{MANIFEST_FILE}: {error}") from error
    if manifest.files.keys() - set(may) != set(names):
        expected = ", ".join(sorted(names)) + (
            f", and may be {', '.join(sorted(may))}" if may else ""
        )
        raise BundleError(f"{MANIFEST_FILE}: `files` must be {expected}")
    if manifest.version != bundle_version(manifest.files):
        raise BundleError(f"{MANIFEST_FILE}: `version` is not that of its files")
    files = {name: _verified(path / name, digest) for name, digest in manifest.files.items()}
    return manifest, files


def _verified(file: Path, expected: FileDigest) -> bytes:
    data = _read(file, FILE_BYTES_MAX)
    if len(data) != expected.size_bytes:
        raise BundleError(
            f"{file.name}: {len(data)} bytes, the manifest says {expected.size_bytes}"
        )
    if FileDigest.of(data) != expected:
        raise BundleError(f"{file.name}: altered, its sha256 is not the manifest's")
    return data


def _read(file: Path, bytes_max: int) -> bytes:
    try:
        size_bytes = file.stat().st_size
        if size_bytes > bytes_max:
            raise BundleError(f"{file.name}: {size_bytes} bytes, at most {bytes_max} are read")
        return file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file.name}: cannot be read: {error.strerror}") from error
