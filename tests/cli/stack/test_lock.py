import subprocess
import sys
from pathlib import Path

import pytest

from pagecast.cli.exits import ExitCode, LockedError
from pagecast.cli.stack.lock import StateLock, is_held


def test_two_stacks_do_not_share_a_state_directory(tmp_path: Path) -> None:
    with (
        StateLock(tmp_path / "run"),
        pytest.raises(LockedError) as refused,
        StateLock(tmp_path / "run"),
    ):
        pass
    assert refused.value.exit_code == ExitCode.LOCKED
    assert str(tmp_path) in refused.value.message
    assert "--state-dir" in refused.value.remedy


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with StateLock(tmp_path / "run"):
            assert is_held(tmp_path / "run")
        assert not is_held(tmp_path / "run")


def test_stacks_in_different_folders_run_side_by_side(tmp_path: Path) -> None:
    with StateLock(tmp_path / "one" / "run"), StateLock(tmp_path / "other" / "run"):
        pass


def test_a_killed_holder_leaves_no_lock_behind(tmp_path: Path) -> None:
    hold = (
        "import sys, time; from pathlib import Path;"
        "from pagecast.cli.stack.lock import StateLock\n"
        "with StateLock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_held(tmp_path)
        with pytest.raises(LockedError, match=str(holder.pid)), StateLock(tmp_path):
            pass
        holder.kill()
        holder.wait()
    assert not is_held(tmp_path)


def test_no_lock_where_nothing_ever_ran(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "never")
