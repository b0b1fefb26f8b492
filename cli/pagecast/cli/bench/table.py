"""Rows of a benchmark on the terminal, and where and when they were measured."""

from collections.abc import Sequence

from pagecast.cli.bench.machine import Circumstances
from pagecast.cli.bench.rows import Row, shown
from pagecast.cli.output import Output

VERDICTS = {None: "", True: "reached", False: "not reached"}


def show_rows(output: Output, rows: Sequence[Row]) -> None:
    """A line a row."""
    output.table(
        "",
        ("what", "beside", "ours", "theirs", "ratio", "reach", ""),
        [
            (
                row.what,
                row.beside,
                shown(row.ours),
                shown(row.theirs),
                shown(row.ratio),
                shown(row.reach),
                VERDICTS[row.reached],
            )
            for row in rows
        ],
    )


def show_circumstances(output: Output, circumstances: Circumstances) -> None:
    """What must stand below every table."""
    output.say(f"\n{circumstances.machine}")
    output.say(f"{circumstances.date}, commit {circumstances.commit}: {circumstances.command}")
