"""What a folder keeps of a run, and which runs may use it."""

import dataclasses
from pathlib import Path

import pytest
from cli.bench.align.factories_loop import row

from pagecast.cli.bench.align.loop.kept import KeptRun
from pagecast.cli.exits import InputError


def test_days_are_kept_and_one_that_is_done_again_is_no_second_one(tmp_path: Path) -> None:
    kept = KeptRun(tmp_path, {"commit": "c"}).arm("greedy, corrected", 3)
    days = [row("greedy, corrected", day, {0: (1, 1.0)}, seed=3) for day in range(3)]
    for day in (*days[:2], *days):
        kept.add(day)
    again = KeptRun(tmp_path, {"commit": "c"}).arm("greedy, corrected", 3)
    assert again.rows == days
    assert (again.done(3), again.done(4)) == (True, False)


def test_arms_and_seeds_do_not_share_a_place(tmp_path: Path) -> None:
    run = KeptRun(tmp_path, {})
    places = {
        run.arm(name, seed).log for name in ("greedy", "greedy, corrected") for seed in (0, 1)
    }
    assert len(places) == 4


def test_when_all_have_left_no_day_is_to_come(tmp_path: Path) -> None:
    kept = KeptRun(tmp_path, {}).arm("greedy", 0)
    kept.add(dataclasses.replace(row("greedy", 0, {}), members=0))
    assert KeptRun(tmp_path, {}).arm("greedy", 0).done(30)


def test_a_folder_of_another_run_is_refused_by_what_differs(tmp_path: Path) -> None:
    KeptRun(tmp_path, {"commit": "c", "members": "6"})
    with pytest.raises(InputError, match="is of members '6', this run of '7'"):
        KeptRun(tmp_path, {"commit": "c", "members": "7"})
