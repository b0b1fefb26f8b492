"""MovieLens 1M in the published form, made up: nobody can fetch it for a test."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.factories_cli import document, pagecast

from pagecast.cli.data.movielens_1m import FILES, is_movielens_1m, read_movielens_1m, take
from pagecast.cli.exits import ExitCode, InputError

Write = Callable[..., Path]

MOVIES = ["1::Toy Story (1995)::Animation|Children's|Comedy", "73::Misérables, Les (1995)::Drama"]
RATINGS = ["2::73::5::978298413", "1::1::5::978824268", "1::73::3::978298413"]
PEOPLE = ["1::F::1::10::48067", "2::M::56::16::70072"]


@pytest.fixture
def folder(write_movielens_1m: Write) -> Path:
    return write_movielens_1m(movies=MOVIES, ratings=RATINGS, users=PEOPLE)


def zipped(folder: Path, *, inside: str = "ml-1m/", names: tuple[str, ...] = FILES) -> Path:
    path = folder.parent / "ml-1m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{inside}README", "Read me")
        for name in names:
            archive.write(folder / name, f"{inside}{name}")
    return path


def test_films_ratings_and_ages_are_read(folder: Path) -> None:
    data = read_movielens_1m(folder)
    assert data.name == "ml-1m"
    assert [(f.film_id, f.title, f.year, f.genres) for f in data.films] == [
        (1, "Toy Story", 1995, ("Animation", "Children's", "Comedy")),
        (73, "Misérables, Les", 1995, ("Drama",)),
    ]
    # By time, then user, then line.
    assert [(r.user_id, r.film_id, r.rating) for r in data.ratings] == [
        (1, 73, 3),
        (2, 73, 5),
        (1, 1, 5),
    ]
    # 1 is the code of everybody under 18, and no age.
    assert data.ages == {1: 17, 2: 56}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("movies", "x::No id (1995)::Drama"),
        ("movies", "3::Too few cells"),
        ("movies", "4::::Drama"),
        ("ratings", "1::1::9::978824268"),
        ("ratings", "1::1::4::soon"),
        ("users", "1::F::young::10::48067"),
    ],
)
def test_a_line_that_cannot_be_used_is_skipped_and_told(
    write_movielens_1m: Write, name: str, row: str
) -> None:
    rows = {"movies": MOVIES, "ratings": RATINGS, "users": PEOPLE}
    data = read_movielens_1m(write_movielens_1m(**{**rows, name: [row, *rows[name]]}))
    assert (len(data.films), len(data.ratings), len(data.ages)) == (2, 3, 2)
    assert data.skipped_total == 1
    assert data.skipped[0].startswith(f"{name}.dat:1: ")


def test_no_rating_at_all_is_refused(write_movielens_1m: Write) -> None:
    with pytest.raises(InputError, match="no rating"):
        read_movielens_1m(write_movielens_1m(movies=MOVIES))


@pytest.mark.parametrize("inside", ["ml-1m/", ""])
def test_folder_and_zip_hold_the_same(folder: Path, inside: str, tmp_path: Path) -> None:
    path = zipped(folder, inside=inside)
    assert is_movielens_1m(folder)
    assert is_movielens_1m(path)
    take(path, tmp_path / "taken")
    assert read_movielens_1m(tmp_path / "taken") == read_movielens_1m(folder)
    assert sorted(p.name for p in (tmp_path / "taken").iterdir()) == sorted(FILES)


def test_what_lacks_a_file_is_refused_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    path = zipped(folder, names=FILES[:2])
    assert not is_movielens_1m(path)
    assert not is_movielens_1m(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no movies.dat.*--from"):
        take(path, tmp_path / "taken")
    assert not (tmp_path / "taken").exists()


def test_the_front_door_writes_what_can_be_published(folder: Path, tmp_path: Path) -> None:
    fetch = ("data", "fetch", "ml-1m", "--json")
    done = document(pagecast(*fetch, "--from", str(folder), cwd=tmp_path))
    assert (done["name"], done["skipped"]) == ("ml-1m", 0)
    lines = {Path(file["path"]).name: file["lines"] for file in done["files"]}
    assert lines["interactions.jsonl"] == 2 * len(RATINGS)
    first = (tmp_path / ".pagecast/data/ml-1m/interactions.jsonl").read_text().splitlines()[0]
    assert json.loads(first)["play"]["entityId"] == "ml-73"
    # What was taken once is found again; what never was is told.
    assert document(pagecast(*fetch, cwd=tmp_path))["files"] == done["files"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    refused = pagecast(*fetch, cwd=elsewhere)
    assert refused.returncode == ExitCode.BAD_INPUT
    assert "--from" in refused.stderr
