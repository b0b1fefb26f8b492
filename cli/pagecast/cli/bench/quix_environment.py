"""An environment of its own for Quix Streams, which pins an older confluent-kafka than ours."""

import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

from pagecast.cli.exits import CommandError

QUIX_VERSION = "3.28.1"

REQUIREMENTS = (
    f"quixstreams=={QUIX_VERSION}",
    "protobuf>=7.36,<8",
    "redis>=7,<8",
    "hiredis",
    "pyarrow",
)
"""protobuf in the version the stubs were generated for; the rest is the job's own."""

_DONE = "installed.txt"


def quix_python(folder: Path, tell: Callable[[str], None]) -> Path:
    """The interpreter of the environment in `folder`, which first use makes in half a minute.

    Raises CommandError if pip cannot install it.
    """
    python = folder / "bin" / "python"
    done = folder / _DONE
    wanted = "\n".join(REQUIREMENTS)
    if done.exists() and done.read_text() == wanted:
        return python.absolute()
    tell(f"installing Quix Streams {QUIX_VERSION} into {folder}")
    venv.create(folder, with_pip=True, clear=True)
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *REQUIREMENTS],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        raise CommandError(
            f"Quix Streams cannot be installed into {folder}",
            "--skip quix does without it",
            details=installed.stderr[-2000:],
        )
    done.write_text(wanted)
    return python.absolute()
