"""Reads the files of a bundle and compares every byte with the manifest.

Single bit flips of a graph load without complaint and change its outputs (docs/facts.md), so
nothing is parsed before its digest is known to be right.
"""

from pathlib import Path

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

MANIFEST_BYTES_MAX = 1 << 20
"""A manifest is a few kilobytes; a larger file is not one, and is not read."""

FILE_BYTES_MAX = 2 << 30
"""protobuf holds no larger graph; a larger file is not read into memory."""


def read_bundle_files(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of the bundle in the directory `path`, and the contents of its files by name.

    Raises BundleError with the file and the reason.
    """
    try:
        manifest = Manifest.unseal(_read(path / MANIFEST_FILE, MANIFEST_BYTES_MAX))
    except ManifestError as error:
        raise BundleError(f"{MANIFEST_FILE}: {error}") from error
    if manifest.files.keys() - set(OPTIONAL_FILES) != set(BUNDLE_FILES):
        raise BundleError(f"{MANIFEST_FILE}: `files` must be {', '.join(sorted(BUNDLE_FILES))}")
    if (HEADS_FILE in manifest.files) != bool(manifest.heads):
        raise BundleError(f"{MANIFEST_FILE}: `heads` and {HEADS_FILE} go together")
    if manifest.version != bundle_version(manifest.files):
        raise BundleError(f"{MANIFEST_FILE}: `version` is not that of its files")
    return manifest, {name: _verified(path / name, of) for name, of in manifest.files.items()}


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
