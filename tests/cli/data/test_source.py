from collections.abc import Callable
from pathlib import Path

import pytest

from pagecast.cli.data.source import SKIPPED_NAMED_MAX, read_movielens
from pagecast.cli.exits import InputError

Write = Callable[..., Path]


def test_films_ratings_and_ages_are_read(write_movielens: Write) -> None:
    folder = write_movielens(
        films=["1\tToy Story\t1995\tAnimation Children's Comedy"],
        ratings=["7\t1\t4\t880000000"],
        users=["7\t24\tM\ttechnician\t85711"],
    )
    data = read_movielens(folder)
    assert [(f.title, f.year, f.genres) for f in data.films] == [
        ("Toy Story", 1995, ("Animation", "Children's", "Comedy"))
    ]
    assert [(r.user_id, r.film_id, r.rating) for r in data.ratings] == [(7, 1, 4)]
    assert data.ages == {7: 24}


def test_ratings_are_ordered_by_time_then_user_then_line(write_movielens: Write) -> None:
    folder = write_movielens(ratings=["2\t9\t1\t50", "1\t8\t1\t50", "1\t7\t1\t50", "3\t6\t1\t40"])
    order = [(r.user_id, r.film_id) for r in read_movielens(folder).ratings]
    assert order == [(3, 6), (1, 8), (1, 7), (2, 9)]


def test_a_year_in_the_title_is_used_where_the_column_has_none(write_movielens: Write) -> None:
    folder = write_movielens(
        films=["1412\tThe Great Giving (1995)\tV\tAnimation"], ratings=["1\t1412\t3\t50"]
    )
    film = read_movielens(folder).films[0]
    assert (film.title, film.year) == ("The Great Giving", 1995)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("films", ["267\tunkonwn\tunkonwn\tunknown"]),
        ("films", ["x\tNo id\t1995\tDrama"]),
        ("films", ["1\tToo few columns"]),
        ("ratings", ["1\t1\tfour\t50"]),
        ("ratings", ["1\t1\t9\t50"]),
        ("ratings", ["1\t1\t4\t-5"]),
        ("users", ["1\told\tM\tnone\t0"]),
    ],
)
def test_a_line_that_cannot_be_used_is_skipped_and_told(
    write_movielens: Write, name: str, rows: list[str]
) -> None:
    good = {"ratings": ["1\t1\t4\t50"]}
    folder = write_movielens(**{**good, name: [*rows, *good.get(name, [])]})
    data = read_movielens(folder)
    assert len(data.ratings) == 1
    assert data.skipped_total == 1
    assert ":2: " in data.skipped[0]


def test_only_so_many_skipped_lines_are_named(write_movielens: Write) -> None:
    broken = ["broken"] * (SKIPPED_NAMED_MAX + 5)
    data = read_movielens(write_movielens(ratings=[*broken, "1\t1\t4\t50"]))
    assert len(data.skipped) == SKIPPED_NAMED_MAX
    assert data.skipped_total == SKIPPED_NAMED_MAX + 5


def test_a_missing_file_says_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pagecast data fetch ml-100k"):
        read_movielens(tmp_path)


def test_no_rating_at_all_is_refused(write_movielens: Write) -> None:
    with pytest.raises(InputError, match="no rating"):
        read_movielens(write_movielens())
