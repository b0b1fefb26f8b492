"""MovieLens 100K as the RecBole wheel has it: tab-separated files with typed headers."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pagecast.cli.data.wheel import WheelFile, WheelSource
from pagecast.cli.exits import InputError

_FOLDER = "recbole/dataset_example/ml-100k"

ML_100K = WheelSource(
    requirement="recbole==1.2.1",
    files=(
        WheelFile(
            member=f"{_FOLDER}/ml-100k.inter",
            sha256="4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
        ),
        WheelFile(
            member=f"{_FOLDER}/ml-100k.item",
            sha256="51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
        ),
        WheelFile(
            member=f"{_FOLDER}/ml-100k.user",
            sha256="4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
        ),
    ),
)

SKIPPED_NAMED_MAX = 20
"""Skipped lines that are named; more are only counted, or a broken file would fill the screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A film; `title` as in the source, without a year."""

    film_id: int
    title: str
    year: int | None
    genres: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """A rating from 1 to 5; `line` is its place in the source."""

    user_id: int
    film_id: int
    rating: int
    at_s: int
    line: int


@dataclass(frozen=True, kw_only=True)
class MovieLens:
    """The data set. `skipped` says which lines could not be used, and why."""

    films: list[Film]
    ratings: list[Rating]
    ages: dict[int, int]
    skipped: list[str] = field(default_factory=list)
    skipped_total: int = 0
    name: str = "ml-100k"
    """The published name, from which event ids are made."""


def read_movielens(folder: Path) -> MovieLens:
    """Reads the three files; ratings come ordered by (time, user, source line).

    Lines that cannot be used are skipped and reported. Raises InputError if a file is missing or if
    there is no rating at all.
    """

    def text(name: str) -> str:
        try:
            return (folder / name).read_text("utf-8")
        except FileNotFoundError as error:
            raise InputError(
                f"{folder / name} is missing", "run `pagecast data fetch ml-100k`"
            ) from error

    reader = LineReader(text, separator="\t", headers=1)
    films = list(reader.read("ml-100k.item", 4, _film))
    ratings = list(reader.read("ml-100k.inter", 4, rating_of))
    ages = dict(reader.read("ml-100k.user", 5, _age))
    if not ratings:
        raise InputError(f"{folder / 'ml-100k.inter'} holds no rating", "fetch the data again")
    return reader.data("ml-100k", films, ratings, ages)


_Parsed = TypeVar("_Parsed")


class LineReader:
    """Reads files with a record per line; `text` returns a file's text by its name."""

    def __init__(self, text: Callable[[str], str], *, separator: str, headers: int) -> None:
        self._text, self._separator, self._headers = text, separator, headers
        self.skipped: list[str] = []
        self.skipped_total = 0

    def data(
        self, name: str, films: list[Film], ratings: list[Rating], ages: dict[int, int]
    ) -> MovieLens:
        """What was read; ratings ordered by (time, user, source line)."""
        return MovieLens(
            name=name,
            films=films,
            ratings=sorted(ratings, key=lambda r: (r.at_s, r.user_id, r.line)),
            ages=ages,
            skipped=self.skipped,
            skipped_total=self.skipped_total,
        )

    def read(
        self, name: str, columns: int, parse: Callable[[list[str], int], _Parsed]
    ) -> Iterator[_Parsed]:
        """Records parsed from cells and the line's number; lines that do not parse are skipped."""
        lines = self._text(name).split("\n")[self._headers :]
        for number, line in enumerate(lines, start=1 + self._headers):
            if not line:
                continue
            try:
                cells = line.split(self._separator)
                if len(cells) != columns:
                    raise ValueError(f"{len(cells)} columns instead of {columns}")
                yield parse(cells, number)
            except ValueError as error:
                self.skipped_total += 1
                if len(self.skipped) < SKIPPED_NAMED_MAX:
                    self.skipped.append(f"{name}:{number}: {error}")


_YEAR_IN_TITLE = re.compile(r"^(?P<title>.+?) \((?P<year>\d{4})\)$")


def without_year(title: str) -> tuple[str, str]:
    """A title and the year in brackets after it, or "" if there is none."""
    found = _YEAR_IN_TITLE.match(title)
    return (found["title"], found["year"]) if found else (title, "")


def _film(cells: list[str], line: int) -> Film:
    del line
    film_id, title, year, genres = int(cells[0]), cells[1].strip(), cells[2], cells[3]
    if title in {"", "unknown", "unkonwn"}:
        raise ValueError(f"film {film_id} has no title; its ratings are kept by id")
    title, in_title = without_year(title)
    year = year if year.isdigit() or not in_title else in_title
    return Film(
        film_id=film_id,
        title=title,
        year=int(year) if year.isdigit() else None,
        genres=tuple(g for g in genres.split() if g != "unknown"),
    )


def rating_of(cells: list[str], line: int) -> Rating:
    """User, film, rating, seconds. Raises ValueError."""
    rating = int(cells[2])
    if not 1 <= rating <= 5:
        raise ValueError(f"rating {rating} is not between 1 and 5")
    at_s = int(cells[3])
    if at_s < 0:
        raise ValueError(f"timestamp {at_s} is before 1970")
    return Rating(user_id=int(cells[0]), film_id=int(cells[1]), rating=rating, at_s=at_s, line=line)


def _age(cells: list[str], line: int) -> tuple[int, int]:
    del line
    return int(cells[0]), int(cells[1])
