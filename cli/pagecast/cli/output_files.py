"""Files that a command is told to write."""

from pathlib import Path

from pagecast.cli.exits import InputError


def check_folders(**files: Path | None) -> None:
    """By the names of their options. Raises InputError, before hours of work have nowhere to go."""
    for option, path in files.items():
        if path is not None and not path.resolve().parent.is_dir():
            raise InputError(f"--{option}: {path.parent} is no folder", "make it first")
