"""A log shows how far a run is, but not every step of it."""

import io
import itertools

from rich.console import Console

from pagecast.cli.bench.align.telling import Telling
from pagecast.cli.progress import progress_bar


def test_a_log_has_a_line_when_something_else_begins_and_one_a_minute() -> None:
    console = Console(file=io.StringIO(), width=200)
    seconds = itertools.count(0.0, 25.0)
    with progress_bar(console) as progress:
        task = progress.add_task("measuring", total=2, note="")
        told = Telling(console, progress, task, clock=lambda: next(seconds))
        told.begin("1 of 2, [WBC], seed 0", 0)
        for number in range(4):
            told("pretraining", number / 4)
        told("members visit", 0.0)
    assert isinstance(console.file, io.StringIO)
    lines = [line[9:] for line in console.file.getvalue().splitlines() if "seed 0: " in line[9:]]
    assert lines[:3] == [
        "1 of 2, [WBC], seed 0: pretraining 0%",
        "1 of 2, [WBC], seed 0: pretraining 75%",
        "1 of 2, [WBC], seed 0: members visit 0%",
    ]
