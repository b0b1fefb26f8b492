from pagecast.cli.data.source import Film, MovieLens, Rating
from pagecast.cli.demo.people import FILMS_MIN, RATINGS_MIN, People


def films(genre: str, first_id: int, count: int) -> list[Film]:
    return [
        Film(film_id=first_id + n, title=f"{genre} {n}", year=1995, genres=(genre,))
        for n in range(count)
    ]


def ratings(user_id: int, film_ids: range, begin_s: int) -> list[Rating]:
    return [
        Rating(user_id=user_id, film_id=film, rating=4, at_s=begin_s + n, line=0)
        for n, film in enumerate(film_ids)
    ]


WAR, SEA = films("War", 1, FILMS_MIN + 5), films("Sea", 101, FILMS_MIN)
PEOPLE = People(
    MovieLens(
        films=[*WAR, *SEA, *films("Rare", 201, FILMS_MIN - 1)],
        ratings=[
            *ratings(1, range(1, 1 + RATINGS_MIN), 100),
            *ratings(2, range(101, 101 + RATINGS_MIN), 200),
            *ratings(3, range(1, 4), 300),
        ],
        ages={},
    )
)


def test_the_newest_people_of_enough_ratings_come_first() -> None:
    assert PEOPLE.newest(5) == [2, 1]
    assert PEOPLE.newest(1) == [2]


def test_the_next_interest_is_a_genre_with_a_row_of_which_the_person_saw_least() -> None:
    genre, chosen = PEOPLE.next_interest(1, 3)
    assert genre == "Sea"
    assert len(chosen) == 3
    assert not {film.film_id for film in chosen} & PEOPLE.rated[1]


def test_the_best_known_films_come_first() -> None:
    _, chosen = PEOPLE.next_interest(2, 3)
    assert {film.film_id for film in chosen} == {1, 2, 3}, "the three that two people rated"


def test_a_person_is_described_by_what_was_rated() -> None:
    assert PEOPLE.describe(1) == "person 1, 20 films rated, most of them War"
