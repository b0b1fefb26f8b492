"""Rows about reading a history, and about what holding many users' histories takes."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from pagecast.cli.bench.rows import Better, Row

READ_TIMES_MAX = 2.0
"""Times that of the store's own client reading the same bytes."""

BYTES_PER_USER = "bytes per user, Valkey"

USERS = (1_000_000, 10_000_000, 300_000_000)


class Figure(Protocol):
    """As `bench.reads` measures them."""

    @property
    def what(self) -> str: ...
    @property
    def beside(self) -> str: ...
    @property
    def ours(self) -> float: ...
    @property
    def theirs(self) -> float: ...


def rows_of(figures: Iterable[Figure]) -> list[Row]:
    """The figures as rows, then what many users need of the store's memory."""
    figures = list(figures)
    return [_row(figure) for figure in figures] + capacity_rows(figures)


def capacity_rows(figures: Sequence[Figure]) -> list[Row]:
    """On paper: bytes per user times users, without replicas and what the server itself needs."""
    return [
        Row.alone(f"GB of Valkey for {users:,} users (on paper)", figure.ours * users / 1e9)
        for figure in figures
        if figure.what == BYTES_PER_USER
        for users in USERS
    ]


def _row(figure: Figure) -> Row:
    reach, better = None, Better.LOWER
    if figure.what.startswith("history read, "):
        if figure.what.endswith("p50 us"):
            reach = READ_TIMES_MAX
        elif figure.what.endswith("second"):
            reach, better = 1 / READ_TIMES_MAX, Better.HIGHER
    return Row.compared(
        figure.what, figure.beside, figure.ours, figure.theirs, reach=reach, better=better
    )


def measure(folder: Path, url: str | None, *, quick: bool) -> list[Row]:
    """Measures reads in `folder` and on an empty server."""
    from pagecast.cli.bench.reads import ReadsConfig, measure_reads

    config = ReadsConfig(users=200, reads=500) if quick else ReadsConfig()
    folder.mkdir(parents=True, exist_ok=True)
    return rows_of(measure_reads(folder, url, config))
