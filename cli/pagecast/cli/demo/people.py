"""Whom the demo shows pages to, and what one of them watches next; chosen from the real data."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from pagecast.cli.data.source import Film, MovieLens

RATINGS_MIN = 20
"""A person with fewer ratings shows little of what a history does."""

FILMS_MIN = 20
"""A genre with fewer films has no row of ten left once some are watched."""


@dataclass(frozen=True)
class People:
    """The people of the data set, by what they rated."""

    data: MovieLens

    @cached_property
    def films(self) -> Mapping[int, Film]:
        return {film.film_id: film for film in self.data.films}

    @cached_property
    def rated(self) -> Mapping[int, set[int]]:
        """Films by person, in the order of their newest rating, newest person last."""
        rated: dict[int, set[int]] = {}
        for rating in self.data.ratings:
            films = rated.pop(rating.user_id, set())
            films.add(rating.film_id)
            rated[rating.user_id] = films
        return rated

    @cached_property
    def popularity(self) -> Counter[int]:
        """Ratings by film."""
        return Counter(rating.film_id for rating in self.data.ratings)

    @property
    def newest_year(self) -> int:
        """The present, in the data set's own calendar."""
        return datetime.fromtimestamp(self.data.ratings[-1].at_s, UTC).year

    def newest(self, count: int) -> list[int]:
        """The people with at least `RATINGS_MIN` ratings who rated last, newest first."""
        enough = [user for user, films in self.rated.items() if len(films) >= RATINGS_MIN]
        return enough[::-1][:count]

    def describe(self, user_id: int) -> str:
        """For people: "person 7, 120 films rated, most of them Drama, Comedy, Action"."""
        genres = ", ".join(genre for genre, _ in self.genres_of(user_id).most_common(3))
        return f"person {user_id}, {len(self.rated[user_id])} films rated, most of them {genres}"

    def genres_of(self, user_id: int) -> Counter[str]:
        return Counter(
            genre
            for film in self.rated[user_id]
            if film in self.films
            for genre in self.films[film].genres
        )

    def next_interest(self, user_id: int, count: int) -> tuple[str, list[Film]]:
        """A genre that is not the person's yet, and its best-known films they have not rated.

        The genre is the one of which the person rated the smallest share of the films.
        """
        rated = self.rated[user_id]
        films: dict[str, list[Film]] = {}
        for film in sorted(self.data.films, key=lambda f: -self.popularity[f.film_id]):
            for genre in film.genres:
                films.setdefault(genre, []).append(film)
        genre = min(
            (genre for genre, of_genre in films.items() if len(of_genre) >= FILMS_MIN),
            key=lambda g: (sum(f.film_id in rated for f in films[g]) / len(films[g]), g),
        )
        return genre, [film for film in films[genre] if film.film_id not in rated][:count]
