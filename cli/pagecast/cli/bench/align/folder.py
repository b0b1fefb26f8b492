"""A run's folder beside the file of `--out`, from which an interrupted run goes on."""

import json
from collections.abc import Mapping
from pathlib import Path

from pagecast.cli.exits import InputError
from pagecast.cli.output_files import replacing

_OF = "run.json"


def open_folder(folder: Path, of: Mapping[str, str]) -> Path:
    """Makes the folder, or opens it again; `of` are facts that everything in it must share.

    Raises InputError if its facts are others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _OF
    if not path.exists():
        write_json(path, dict(of))
    was = json.loads(path.read_text("utf-8"))
    for name, value in of.items():
        if was.get(name) != value:
            raise InputError(
                f"--out: {folder} is of {name} {was.get(name)!r}, this run of {value!r}",
                "give another file, or remove the folder",
            )
    return folder


def write_json(path: Path, told: object) -> None:
    """Writes a file that appears whole or not at all."""
    with replacing(path) as file:
        json.dump(told, file)
