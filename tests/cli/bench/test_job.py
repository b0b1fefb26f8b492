"""A measured program has its core to itself, and its failure is reported."""

import os
import sys
from pathlib import Path

import pytest

from pagecast.cli.bench.cpu import measured_core, other_cores
from pagecast.cli.bench.job import Job, JobSpec
from pagecast.cli.exits import CommandError

BUSY = "import os, time\nwhile os.times().user < 0.3: pass\n"


def spec(tmp_path: Path, program: str) -> JobSpec:
    file = tmp_path / "program.py"
    file.write_text(program)
    return JobSpec(
        name="program",
        python=Path(sys.executable),
        program=str(file),
        settings={"a": 1},
        core=measured_core(),
        log=tmp_path / "log.txt",
    )


def test_it_runs_on_its_core_alone_and_is_given_its_settings(tmp_path: Path) -> None:
    told = "import json, os, sys\nprint(os.sched_getaffinity(0), json.loads(sys.argv[1]))\n"
    with Job(spec(tmp_path, told)) as job:
        job.wait(10)
    assert (tmp_path / "log.txt").read_text() == f"{ {measured_core()} } {{'a': 1}}\n"


def test_its_cpu_time_is_that_of_the_process(tmp_path: Path) -> None:
    with Job(spec(tmp_path, BUSY + "time.sleep(30)\n")) as job:
        while (used := job.cpu_seconds()) < 0.3:
            pass
    assert used < 5


def test_its_end_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Job(spec(tmp_path, "raise SystemExit('no such table')\n")) as job:
        with pytest.raises(CommandError, match="program ended with 1") as raised:
            job.wait(10)
        with pytest.raises(CommandError, match="program ended with 1"):
            job.cpu_seconds()
    assert "no such table" in raised.value.details


def test_the_rest_keeps_off_the_core_where_there_is_another() -> None:
    cores = os.sched_getaffinity(0)
    assert measured_core() in cores
    assert (measured_core() in other_cores()) == (len(cores) == 1)
