"""Where and when figures were measured."""

import os
import platform
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

BENCH_FOLDER = "bench"
"""Inside the state directory: no benchmark touches what is yours."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What must accompany every figure."""

    machine: str
    date: str
    commit: str
    command: str

    @classmethod
    def now(cls) -> Self:
        return cls(
            machine=f"{os.cpu_count()} x {_processor()}, {_memory_gb()} GB, "
            f"{platform.system()}, Python {platform.python_version()}",
            date=datetime.now(UTC).date().isoformat(),
            commit=_commit(),
            command=shlex.join(["pagecast", *sys.argv[1:]]),
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _commit() -> str:
    """The commit of the running sources; the version if they are no checkout."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() if asked.returncode == 0 else f"version {version('pagecast')}"
