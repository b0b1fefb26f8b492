"""How a process of the stack says that it is ready, and where to reach it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pagecast.cli.output_files import replacing


def announce(ready_file: Path | None, facts: Mapping[str, Any]) -> None:
    """Called by the process once it works; without a file nobody is waiting."""
    if ready_file is None:
        return
    with replacing(ready_file) as file:
        json.dump(dict(facts), file)


def announced(ready_file: Path) -> dict[str, Any] | None:
    """What the process announced; None if it has not yet."""
    try:
        facts: dict[str, Any] = json.loads(ready_file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    return facts
