"""What people took up, as the simulator takes it."""

from pathlib import Path

import pytest

from pagecast.cli.data.interchange import read_interchange
from pagecast.cli.data.source import Film, MovieLens, Rating
from pagecast.cli.simulation.data import of_events, of_ratings
from pagecast.simulator.data import DataTooSmall, TrainingData

OWN = Path(__file__).parents[3] / "docs" / "examples" / "own-data"


def test_ratings_become_values_in_the_order_of_time() -> None:
    films = [Film(film_id=n, title=f"F{n}", year=None, genres=("Drama",)) for n in (5, 7, 9)]
    ratings = [
        Rating(user_id=user, film_id=film, rating=points, at_s=at, line=at)
        for at, (user, film, points) in enumerate([(3, 5, 5), (1, 7, 1), (2, 9, 3), (3, 4, 5)])
    ]
    data = of_ratings(MovieLens(films=films, ratings=ratings, ages={}))
    assert data.entity_ids == ("ml-5", "ml-7", "ml-9")
    assert data.user_N.tolist() == [2, 0, 1]
    assert data.entity_N.tolist() == [0, 1, 2], "a film that is not in the catalog is left out"
    assert data.value_N.tolist() == [1.0, 0.2, 0.6]


def test_a_folder_of_events_is_read_by_what_was_taken_up() -> None:
    data = of_events(read_interchange(OWN))
    assert isinstance(data, TrainingData)
    pairs = list(zip(data.user_N.tolist(), data.entity_N.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs) > 0
    assert data.value_N.min() > 0.0
    assert data.value_N.max() <= 1.0
    assert any(data.genres)
    assert len(data.entity_ids) == len(data.genres)
    assert data.sha256 == of_events(read_interchange(OWN)).sha256


def test_data_without_people_are_refused() -> None:
    film = Film(film_id=1, title="F", year=None, genres=())
    with pytest.raises(DataTooSmall):
        of_ratings(MovieLens(films=[film], ratings=[], ages={}))
