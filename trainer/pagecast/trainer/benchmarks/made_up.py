"""Histories of people who do not exist, about as long as those of MovieLens 100K.

For measuring speed where no data can be fetched. What is predicted on them says nothing.
"""

import numpy as np

from pagecast.featurestore.catalog.snapshot import (
    NEXT_ROW,
    CatalogEntity,
    CatalogRow,
    CatalogSnapshot,
)
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent
from pagecast.trainer.data.replay import UserSteps, replay
from pagecast.trainer.evaluation.protocols.interactions import Interactions, Ints, interactions_of
from pagecast.v1 import catalog_pb2, events_pb2

USERS, ENTITIES = 943, 1682
"""As in MovieLens 100K."""

LEAST, MEDIAN_MORE, SPREAD, MOST = 20, 45, 1.14, 737
"""Lengths are LEAST and a log-normal number more, MOST at most: mean 105, median 65."""

GENRES = tuple(f"genre {number}" for number in range(18))

BEGIN_MS, DAY_MS = 880_000_000_000, 86_400_000

GAP_S = 60
"""Mean time from step to step."""


def made_up(
    fold: FoldConfig, *, users: int = USERS, entities: int = ENTITIES, seed: int = 0
) -> Interactions:
    """Plays drawn by popularity (one over rank), each entity once per user."""
    rng = np.random.default_rng(seed)
    popularity_E = 1.0 / np.arange(1, entities + 1)
    popularity_E /= popularity_E.sum()
    lengths = LEAST + rng.lognormal(np.log(MEDIAN_MORE), SPREAD, users)
    folded = []
    for user, length in enumerate(np.minimum(lengths, min(MOST, entities)).astype(int).tolist()):
        chosen = rng.choice(entities, length, replace=False, p=popularity_E)
        begin_ms = BEGIN_MS + int(rng.integers(200 * DAY_MS))
        gaps_ms = (rng.exponential(GAP_S, length) * 1000).astype(int) + 1
        folded.append(_user(str(user + 1), chosen, begin_ms + np.cumsum(gaps_ms), fold))
    return interactions_of(folded, made_up_catalog(rng, entities))


def _user(user_id: str, entity_N: Ints, at_ms_N: Ints, fold: FoldConfig) -> UserSteps:
    rows = []
    for offset, (entity, at_ms) in enumerate(zip(entity_N.tolist(), at_ms_N.tolist(), strict=True)):
        event = events_pb2.InteractionEvent(event_id=f"{user_id}/{offset}", user_id=user_id)
        event.occurred_at.FromMilliseconds(at_ms)
        event.play.entity_id = f"e{entity}"
        event.play.kind = events_pb2.PLAY_KIND_FEATURE
        rows.append(LoggedEvent("made-up", 0, offset, token_of(event), b""))
    return replay(user_id, rows, fold=fold)


def made_up_catalog(rng: np.random.Generator, count: int) -> CatalogSnapshot:
    """Films of one to three genres, and the row of all of them."""
    first_E = rng.integers(len(GENRES), size=count).tolist()
    year_E = rng.integers(1930, 1998, count).tolist()
    entities = tuple(
        CatalogEntity(
            entity_id=f"e{number}",
            kind=catalog_pb2.ENTITY_KIND_MOVIE,
            title=f"Film {number}",
            number=1,
            changed_at_ms=BEGIN_MS,
            genres=tuple(GENRES[(first + 5 * i) % len(GENRES)] for i in range(1 + number % 3)),
            attributes={"year": str(year)},
        )
        for number, (first, year) in enumerate(zip(first_E, year_E, strict=True))
    )
    popular = catalog_pb2.ROW_SOURCE_POPULAR
    rows = (CatalogRow(row_id=NEXT_ROW, title="Top", number=1, source=popular),)
    return CatalogSnapshot(number=1, entities=entities, rows=rows)
