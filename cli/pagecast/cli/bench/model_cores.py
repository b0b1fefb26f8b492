"""Runs cells of `pagecast bench model` on cores, each in a process of its own."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress, TaskID

from pagecast.cli.bench.cpu import ONE_THREAD
from pagecast.cli.bench.job import Job, JobSpec
from pagecast.trainer.benchmarks.cells import Cell, Figures

PROGRAM = "pagecast.cli.bench.jobs.model"

_LOOK_S = 0.1


@dataclass(frozen=True, kw_only=True)
class _Running:
    cell: Cell
    job: Job
    core: int
    result: Path
    progress: Path
    task: TaskID


class Cores:
    """Hands cells to cores. The first cell that fails ends all of them."""

    def __init__(
        self,
        folder: Path,
        logs: Path,
        progress: Progress,
        done: Callable[[Cell, Figures], None],
    ) -> None:
        self._folder, self._logs, self._progress, self._done = folder, logs, progress, done
        self._started = 0

    def measure(self, cells: Sequence[tuple[Cell, Path]], jobs: int) -> None:
        """Cells with the files of their data, `jobs` at a time. Raises CommandError."""
        if not cells:
            return
        waiting = list(reversed(cells))
        free = sorted(os.sched_getaffinity(0))[-jobs:]
        running: list[_Running] = []
        every = self._progress.add_task("cells", total=len(cells), note="")
        with ExitStack() as exits:
            while waiting or running:
                while waiting and free:
                    cell, data = waiting.pop()
                    running.append(self._start(cell, data, free.pop(), exits))
                time.sleep(_LOOK_S)
                for one in list(running):
                    if self._look(one):
                        running.remove(one)
                        free.append(one.core)
                        self._progress.advance(every)

    def _start(self, cell: Cell, data: Path, core: int, exits: ExitStack) -> _Running:
        self._started += 1
        result = self._folder / f"cell-{self._started}.json"
        progress = self._folder / f"cell-{self._started}.progress"
        spec = JobSpec(
            name=f"{cell.table}, {cell.name}",
            python=Path(sys.executable),
            program=PROGRAM,
            settings={
                "cell": cell.to_json(),
                "data": str(data),
                "result": str(result),
                "progress": str(progress),
            },
            core=core,
            log=self._logs / f"model-{cell.table}.log",
            environment=ONE_THREAD,
        )
        name = f"{cell.table}: {cell.name}" + (f", seed {cell.seed}" if cell.seed else "")
        return _Running(
            cell=cell,
            job=exits.enter_context(Job(spec)),
            core=core,
            result=result,
            progress=progress,
            task=self._progress.add_task(name, total=1.0, note=""),
        )

    def _look(self, one: _Running) -> bool:
        """Keeps its figures if it is done; returns whether it is."""
        if one.job.ended():
            self._done(one.cell, json.loads(one.result.read_text()))
            self._progress.remove_task(one.task)
            return True
        try:
            share = float(one.progress.read_text())
        except (FileNotFoundError, ValueError):  # not yet, or just being written
            return False
        self._progress.update(one.task, completed=share)
        return False
