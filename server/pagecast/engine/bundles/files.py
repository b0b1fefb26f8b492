"""Hands out the files of a bundle, every byte of which was compared with the manifest.

Single bit flips of a graph load without complaint and change its outputs (docs/facts.md), so
nothing is parsed before its digest is known to be right. A file is read when it is asked for: a
server needs half of a bundle, and reads it while it serves. Missing files and wrong sizes are
noticed at once; `BundleFiles.verify` compares all files.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pagecast.engine.bundles.manifest import (
    BUNDLE_FILES,
    HEADS_FILE,
    MANIFEST_FILE,
    OPTIONAL_FILES,
    FileDigest,
    Manifest,
    ManifestError,
    bundle_version,
)
from pagecast.engine.bundles.sealed import SealedManifest
from pagecast.engine.errors import BundleError

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
        return GENERATIVE  # Loading it says what is wrong with it.
    kind = contents.get("kind") if isinstance(contents, dict) else None
    return kind if isinstance(kind, str) else GENERATIVE


class BundleFiles(Mapping[str, bytes]):
    """Contents by name. Each look-up reads the file and compares it: look each up once.

    A file is read whole, not mapped: what was compared cannot change afterwards, and a file that is
    cut short meanwhile raises an error here instead of ending the process.
    """

    def __init__(self, path: Path, digests: Mapping[str, FileDigest]) -> None:
        """Raises BundleError if a file is missing or has another size."""
        self._path = path
        self._digests = digests
        for name, digest in digests.items():
            _check_size(path / name, digest)

    def __getitem__(self, name: str) -> bytes:
        """Raises BundleError if the file is not what was published, KeyError if none was."""
        return _verified(self._path / name, self._digests[name])

    def __contains__(self, name: object) -> bool:
        return name in self._digests

    def __iter__(self) -> Iterator[str]:
        return iter(self._digests)

    def __len__(self) -> int:
        return len(self._digests)

    def verify(self) -> int:
        """Compares every file, even if nobody asks for it; returns their bytes together.

        Raises BundleError.
        """
        return sum(len(self[name]) for name in self)


def open_bundle(path: Path) -> tuple[Manifest, BundleFiles]:
    """The manifest of the generative model in the directory `path`, and its files: BUNDLE_FILES,
    and those of OPTIONAL_FILES that it has.

    Raises BundleError with the file and the reason.
    """
    if (kind := kind_of(path)) != GENERATIVE:
        raise BundleError(f"{MANIFEST_FILE}: a {kind} bundle has no generative model in it")
    manifest, files = open_files(path, Manifest, BUNDLE_FILES, OPTIONAL_FILES)
    if (HEADS_FILE in files) != bool(manifest.heads):
        raise BundleError(f"{MANIFEST_FILE}: `heads` and {HEADS_FILE} go together")
    return manifest, files


def open_files(
    path: Path, manifest_type: type[AnyManifest], names: Collection[str], may: Collection[str] = ()
) -> tuple[AnyManifest, BundleFiles]:
    """The manifest of the bundle in the directory `path`, and its files: `names`, and those of
    `may` that it has.

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
    return manifest, BundleFiles(path, manifest.files)


def _check_size(file: Path, expected: FileDigest) -> None:
    size_bytes = _size_bytes(file)
    if size_bytes != expected.size_bytes:
        raise BundleError(
            f"{file.name}: {size_bytes} bytes, the manifest says {expected.size_bytes}"
        )


def _verified(file: Path, expected: FileDigest) -> bytes:
    data = _read(file, FILE_BYTES_MAX)
    if FileDigest.of(data) != expected:
        raise BundleError(f"{file.name}: altered, its sha256 is not the manifest's")
    return data


def _read(file: Path, bytes_max: int) -> bytes:
    size_bytes = _size_bytes(file)
    if size_bytes > bytes_max:
        raise BundleError(f"{file.name}: {size_bytes} bytes, at most {bytes_max} are read")
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error


def _size_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> BundleError:
    return BundleError(f"{file.name}: cannot be read: {error.strerror}")
