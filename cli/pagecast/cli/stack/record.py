"""`run/stack.json`: where other commands reach a running stack."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pagecast.cli.output_files import replacing
from pagecast.cli.stack.lock import is_held

RECORD_FILE = "stack.json"


@dataclass(frozen=True, kw_only=True)
class StackRecord:
    """What runs. An empty field means that part does not run (yet)."""

    pid: int
    bootstrap_servers: str = ""
    server_address: str = ""
    metrics: Mapping[str, int] = field(default_factory=dict)
    """TCP port of /metrics, by process."""
    pids: Mapping[str, int] = field(default_factory=dict)

    def write(self, run_folder: Path) -> None:
        with replacing(run_folder / RECORD_FILE) as file:
            json.dump(asdict(self), file, indent=2)


def read_record(run_folder: Path) -> StackRecord | None:
    """None if no stack runs on this state directory: a record whose lock is not held is old."""
    if not is_held(run_folder):
        return None
    try:
        return StackRecord(**json.loads((run_folder / RECORD_FILE).read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def remove_record(run_folder: Path) -> None:
    (run_folder / RECORD_FILE).unlink(missing_ok=True)
