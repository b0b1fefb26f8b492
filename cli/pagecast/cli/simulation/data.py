"""What people took up, in the numbers the simulator takes."""

import numpy as np
from rich.console import Console

from pagecast.cli.data.interchange import Interchange
from pagecast.cli.data.movielens import entity_id
from pagecast.cli.data.movielens_1m import ML_1M, read_movielens_1m
from pagecast.cli.data.source import ML_100K, MovieLens, read_movielens
from pagecast.cli.data.wheel import fetch
from pagecast.cli.evaluation.data import open_data
from pagecast.cli.exits import InputError
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.history.steps import Action
from pagecast.featurestore.state import StatePaths
from pagecast.simulator.data import DataTooSmall, TrainingData

VALUE_PLAYED = 0.7
"""Of a play without a rating: that of a rating of 3.5."""

POINTS_MAX = 5.0

_TAKEN_UP = frozenset(
    {Action.PLAY_FEATURE, Action.PLAY_LIVE, Action.COMPLETE, Action.PURCHASE, Action.RATE}
)


def read_training_data(
    name: str, paths: StatePaths, fold: FoldConfig, console: Console
) -> TrainingData:
    """Data by the name `--data` gives. Raises InputError.

    Public sets are read as published: making events of them first would take a minute.
    """
    try:
        if name == ML_1M:
            return of_ratings(read_movielens_1m(paths.data / ML_1M / "source"))
        if name == "ml-100k":
            with console.status(f"fetching {name}"):
                fetch(ML_100K, paths.data / name / "source")
            return of_ratings(read_movielens(paths.data / name / "source"))
        return of_events(open_data(name, paths, fold, console).interchange)
    except DataTooSmall as error:
        raise InputError(f"--data: {error}", "give more of it, or ml-100k") from error


def of_ratings(data: MovieLens) -> TrainingData:
    """A rating's value is its share of five. Raises DataTooSmall."""
    number = {film.film_id: n for n, film in enumerate(data.films)}
    people = {user: n for n, user in enumerate(sorted({r.user_id for r in data.ratings}))}
    kept = [rating for rating in data.ratings if rating.film_id in number]
    return TrainingData(
        entity_ids=tuple(entity_id(film.film_id) for film in data.films),
        genres=tuple(film.genres for film in data.films),
        user_N=np.array([people[rating.user_id] for rating in kept], np.int64),
        entity_N=np.array([number[rating.film_id] for rating in kept], np.int64),
        value_N=np.array([rating.rating / POINTS_MAX for rating in kept], np.float64),
    )


def of_events(interchange: Interchange) -> TrainingData:
    """A person's interactions in the order of time, each entity once; a rating is its value.

    Raises DataTooSmall.
    """
    entities = [e for e in interchange.catalog.entities if not e.retired]
    number = {entity.entity_id: n for n, entity in enumerate(entities)}
    rows: list[tuple[int, int, float]] = []
    for user, (_, events) in enumerate(sorted(interchange.events.items())):
        values: dict[int, float] = {}
        for event in sorted(events, key=lambda e: (e.token.at_ms, e.offset)):
            token = event.token
            if token.action not in _TAKEN_UP or token.entity_id not in number:
                continue
            entity = number[token.entity_id]
            if token.rating:
                points = (token.rating - 1) / 2
                values[entity] = max(0.5, points) / POINTS_MAX
            else:
                values.setdefault(entity, VALUE_PLAYED)
        rows += [(user, entity, value) for entity, value in values.items()]
    user_N, entity_N, value_N = np.array(rows, np.float64).reshape(-1, 3).T
    return TrainingData(
        entity_ids=tuple(entity.entity_id for entity in entities),
        genres=tuple(entity.genres for entity in entities),
        user_N=np.unique(user_N, return_inverse=True)[1].astype(np.int64),
        entity_N=entity_N.astype(np.int64),
        value_N=value_N,
    )
