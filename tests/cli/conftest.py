"""Fixtures of the command line's tests."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

WriteMovieLens = Callable[..., Path]


@pytest.fixture
def write_movielens(tmp_path: Path) -> WriteMovieLens:
    """Writes a data set in MovieLens' format: rows are tab-separated cells, without the header."""

    def write(
        *, films: Sequence[str] = (), ratings: Sequence[str] = (), users: Sequence[str] = ()
    ) -> Path:
        folder = tmp_path / "ml-100k"
        folder.mkdir(exist_ok=True)
        for name, header, rows in (
            ("item", "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass", films),
            ("inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float", ratings),
            ("user", "user_id:token\tage:token\tgender:token\toccupation:token\tzip", users),
        ):
            (folder / f"ml-100k.{name}").write_text("\n".join([header, *rows, ""]), "utf-8")
        return folder

    return write


@pytest.fixture
def write_movielens_1m(tmp_path: Path) -> WriteMovieLens:
    """Writes a data set as GroupLens publishes MovieLens 1M: cells between `::`, no header."""

    def write(
        *, movies: Sequence[str] = (), ratings: Sequence[str] = (), users: Sequence[str] = ()
    ) -> Path:
        folder = tmp_path / "ml-1m"
        folder.mkdir(exist_ok=True)
        for name, rows in (("movies", movies), ("ratings", ratings), ("users", users)):
            (folder / f"{name}.dat").write_text("\n".join([*rows, ""]), "latin-1")
        return folder

    return write
