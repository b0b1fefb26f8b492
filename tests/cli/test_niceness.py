import os
import subprocess
import sys

import pytest

from pagecast.cli.niceness import AUTOGROUP

SCRIPT = """
import os
from pagecast.cli.niceness import AUTOGROUP, step_back
step_back(7)
print(os.getpriority(os.PRIO_PROCESS, 0))
print(AUTOGROUP.read_text().strip() if AUTOGROUP.exists() else "")
"""


def told(*, own_session: bool) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=own_session,
    )
    return done.stdout.splitlines()


def test_a_process_steps_back_behind_those_of_other_sessions_too() -> None:
    nice, group = told(own_session=True)
    assert int(nice) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 7)
    if not AUTOGROUP.exists():
        pytest.skip("this kernel has no groups of sessions")
    assert group.endswith("nice 7")


def test_the_session_of_a_terminal_is_left_alone() -> None:
    before = AUTOGROUP.read_text() if AUTOGROUP.exists() else ""
    told(own_session=False)
    assert (AUTOGROUP.read_text() if AUTOGROUP.exists() else "") == before
