"""One command of the front door in a process of its own, which need not import everything first.

Starting Python and importing what a command needs takes one to two seconds of CPU, and these tests
run a hundred commands. `start_up`, and `test_main` where it matters, start theirs as people do.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from factories_forking import forking, in_server

from pagecast.cli.main import main


def _warm() -> None:
    from pagecast.featurestore.online.feast_import import import_feast

    import_feast()


if in_server():
    _warm()


def _run(arguments: Sequence[str], cwd: Path, variables: Mapping[str, str], output: Path) -> None:
    for number, name in ((0, os.devnull), (1, output / "1"), (2, output / "2")):
        opened = os.open(name, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["pagecast", *arguments]
    main()


def run_command(
    arguments: Sequence[str], cwd: Path, seconds_max: float
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end. Raises subprocess.TimeoutExpired."""
    with TemporaryDirectory() as folder:
        process = forking().Process(
            target=_run, args=(arguments, cwd, dict(os.environ), Path(folder))
        )
        process.start()
        process.join(seconds_max)
        if (code := process.exitcode) is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(arguments), seconds_max)
        said, told = ((Path(folder) / name).read_text() for name in ("1", "2"))
        return subprocess.CompletedProcess(["pagecast", *arguments], code, said, told)
