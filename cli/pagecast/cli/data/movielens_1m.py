"""MovieLens 1M as GroupLens publishes it: a folder or ZIP of `::`-separated files in Latin-1.

It is in no package index, so nothing here fetches it: whoever may use it brings the file.
"""

import shutil
import zipfile
from pathlib import Path

from pagecast.cli.data.source import Film, LineReader, MovieLens, rating_of, without_year
from pagecast.cli.exits import InputError

ML_1M = "ml-1m"

FILES = MOVIES, RATINGS, USERS = "movies.dat", "ratings.dat", "users.dat"

FILE_BYTES_MAX = 64 * 1024 * 1024
"""A larger file is not from MovieLens 1M (25 MB) and is refused before it fills the disk."""

UNDER_18, UNDER_18_YEARS = 1, 17
"""The code of people under 18, and the age they are given: most of them are not children."""

_REMEDY = "get ml-1m.zip from grouplens.org, then run `pagecast data fetch ml-1m --from ml-1m.zip`"


def is_movielens_1m(path: Path) -> bool:
    """Whether a path holds the published files, as a folder or a ZIP."""
    return all((path / name).is_file() for name in FILES) or (
        zipfile.is_zipfile(path) and _members(path) is not None
    )


def take(path: Path, folder: Path) -> None:
    """Copies the files from a folder or ZIP. Raises InputError if they are not all there."""
    if not is_movielens_1m(path):
        raise InputError(f"{path} holds no {', '.join(FILES)}", _REMEDY)
    folder.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        for name in FILES:
            shutil.copyfile(path / name, folder / name)
        return
    with zipfile.ZipFile(path) as archive:
        for info in _members(path) or ():
            if info.file_size > FILE_BYTES_MAX:
                raise InputError(f"{info.filename} is larger than {FILE_BYTES_MAX} bytes", _REMEDY)
            name = Path(info.filename).name
            with archive.open(info) as packed, (folder / name).open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)


def _members(path: Path) -> list[zipfile.ZipInfo] | None:
    """The archive's files by our names, in any folder; None unless each is there exactly once."""
    with zipfile.ZipFile(path) as archive:
        found = [i for i in archive.infolist() if Path(i.filename).name in FILES]
    return found if sorted(Path(i.filename).name for i in found) == sorted(FILES) else None


def read_movielens_1m(folder: Path) -> MovieLens:
    """Reads the three files; ratings come ordered by (time, user, source line).

    Lines that cannot be used are skipped and reported. Raises InputError if a file is missing or if
    there is no rating at all.
    """

    def text(name: str) -> str:
        try:
            return (folder / name).read_text("latin-1")
        except FileNotFoundError as error:
            raise InputError(f"{folder / name} is missing", _REMEDY) from error

    reader = LineReader(text, separator="::", headers=0)
    films = list(reader.read(MOVIES, 3, _film))
    ratings = list(reader.read(RATINGS, 4, rating_of))
    ages = dict(reader.read(USERS, 5, _age))
    if not ratings:
        raise InputError(f"{folder / RATINGS} holds no rating", _REMEDY)
    return reader.data(ML_1M, films, ratings, ages)


def _film(cells: list[str], line: int) -> Film:
    del line
    film_id = int(cells[0])
    title, year = without_year(cells[1].strip())
    if not title:
        raise ValueError(f"film {film_id} has no title; its ratings are kept by id")
    return Film(
        film_id=film_id,
        title=title,
        year=int(year) if year else None,
        genres=tuple(genre for genre in cells[2].strip().split("|") if genre),
    )


def _age(cells: list[str], line: int) -> tuple[int, int]:
    """The third cell is the youngest age of a bracket."""
    del line
    age = int(cells[2])
    return int(cells[0]), UNDER_18_YEARS if age == UNDER_18 else age
