"""Progress bars for long work."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """Tasks take a `note`, shown at the end. Without a terminal only the last state is written."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(elapsed_when_finished=True),
        # The note may wrap, so that a long one takes no room from what is done and how far it is.
        TextColumn("{task.fields[note]}", table_column=Column(no_wrap=False)),
    )
    with Progress(*columns, console=console) as progress:
        yield progress
