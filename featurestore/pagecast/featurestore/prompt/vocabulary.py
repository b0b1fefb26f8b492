"""What a model knows by name, and how prompts and entities become its numbers.

Index 0 of every table is the fallback: unknown, new, or none.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.catalog.entity_metadata import content_features, first_indices
from pagecast.featurestore.catalog.snapshot import CatalogEntity
from pagecast.featurestore.history.history import Action
from pagecast.featurestore.prompt.context import NO_CONTEXT, ContextConfig
from pagecast.v1 import catalog_pb2

SEGMENT_PROFILE, SEGMENT_STEP, SEGMENT_SUMMARY, SEGMENT_NEW, SEGMENT_LIVE = range(1, 6)
SEGMENTS = 6

GAP_BUCKETS = 32
WATCHED_BUCKETS = 16
EVENT_BUCKETS = 20
RATING_BUCKETS = 12
HOURS_OF_WEEK = 169
SEASONS = 5
MATURITY_BUCKETS = 23
PROFILE_TYPES = 4
KINDS = max(catalog_pb2.EntityKind.values()) + 1
YEAR_FIRST, YEARS = 1900, 200

ORIGINS_OF_ENTITY_MAX = 4
"""Countries of origin that an entity's embedding knows, the first ones: co-productions of more are
rare, and each column costs 8 bytes per entity."""

PEOPLE_OF_ENTITY_MAX = 8
"""People that an entity's embedding knows, the first ones: the operator orders the billing, and
each column costs 8 bytes per entity."""

FIELDS = (
    "segment", "action", "watched", "rating", "events", "row",
    "gap", "hour_of_week", "season", "device", "country", "language", "surface",
    "profile_type", "profile_language", "maturity_limit",
    "genre", "kind",
)  # fmt: skip
"""Columns of `EncodedPrompt.fields_TF`: what is added to the entity's embedding at a position."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Names in the order of their indices; index = position + 1.

    `entity_interactions` aligns with `entities`: how often each was a step in the training data. It
    says how far an ID embedding can be trusted, so it changes only with the model. `countries` are
    those of requests, `origins` those of entities. `embeddings` are the names of content
    embeddings, each with its dimensions. `context` is here because it decides what a prompt's
    positions are: so a model and its server cannot disagree about it.
    """

    entities: tuple[str, ...]
    entity_interactions: tuple[int, ...]
    rows: tuple[str, ...]
    genres: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    surfaces: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    embeddings: tuple[tuple[str, int], ...] = ()
    context: ContextConfig = NO_CONTEXT

    def __post_init__(self) -> None:
        if len(self.entities) != len(self.entity_interactions):
            raise ValueError("entity_interactions must align with entities")

    @cached_property
    def entity_ids(self) -> dict[str, int]:
        return _indices(self.entities)

    @cached_property
    def row_ids(self) -> dict[str, int]:
        return _indices(self.rows)

    @cached_property
    def genre_ids(self) -> dict[str, int]:
        return _indices(self.genres)

    @cached_property
    def language_ids(self) -> dict[str, int]:
        return _indices(self.languages)

    @cached_property
    def country_ids(self) -> dict[str, int]:
        return _indices(self.countries)

    @cached_property
    def device_ids(self) -> dict[str, int]:
        return _indices(self.devices)

    @cached_property
    def surface_ids(self) -> dict[str, int]:
        return _indices(self.surfaces)

    @cached_property
    def origin_ids(self) -> dict[str, int]:
        return _indices(self.origins)

    @cached_property
    def person_ids(self) -> dict[str, int]:
        return _indices(self.people)

    @property
    def content_dimensions(self) -> int:
        """Of all content embeddings together."""
        return sum(dimensions for _, dimensions in self.embeddings)

    def field_sizes(self) -> tuple[int, ...]:
        """Number of values of each column of `FIELDS`, the fallback included."""
        sizes = {
            "segment": SEGMENTS,
            "action": len(Action),
            "watched": WATCHED_BUCKETS,
            "rating": RATING_BUCKETS,
            "events": EVENT_BUCKETS,
            "row": len(self.rows) + 1,
            "gap": GAP_BUCKETS,
            "hour_of_week": HOURS_OF_WEEK,
            "season": SEASONS,
            "device": len(self.devices) + 1,
            "country": len(self.countries) + 1,
            "language": len(self.languages) + 1,
            "surface": len(self.surfaces) + 1,
            "profile_type": PROFILE_TYPES,
            "profile_language": len(self.languages) + 1,
            "maturity_limit": MATURITY_BUCKETS,
            "genre": len(self.genres) + 1,
            "kind": KINDS,
        }
        return tuple(sizes[name] for name in FIELDS)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Vocabulary":
        """Raises ValueError, TypeError or AttributeError if `text` is not what `to_json` makes."""
        names = json.loads(text)
        for field in ("embeddings", "context"):
            if field not in names:
                raise ValueError(f"it has no `{field}`: train a new model with this version")
        context = ContextConfig(**names.pop("context"))
        embeddings = tuple((str(name), int(size)) for name, size in names.pop("embeddings"))
        fields = {name: tuple(values) for name, values in names.items()}
        return cls(**fields, embeddings=embeddings, context=context)


def entity_features(
    entities: Sequence[CatalogEntity], vocabulary: Vocabulary
) -> dict[str, npt.NDArray[np.generic]]:
    """Encodes entities for the entity tower; keys are the tower's input names.

    Letters: O countries of origin and P people of an entity, C dimensions of all content
    embeddings, N their names.

    `id_E` int64 (0: not in the vocabulary), `kind_E` int64, `genres_EG` float32 multi-hot,
    `year_E` int64 (0: unknown), `language_E` int64 (of the first language), `maturity_E` int64,
    `age_EA` float32: log(1 + days since release), log(1 + interactions in training),
    `origins_EO` and `people_EP` int64: the first known ones, then 0, `content_EC` and
    `has_content_EN` float32 (`content_features`).
    """
    id_E = np.array([vocabulary.entity_ids.get(e.entity_id, 0) for e in entities], np.int64)
    interactions_E = np.array((0, *vocabulary.entity_interactions), np.float32)[id_E]
    genres_EG = np.zeros((len(entities), len(vocabulary.genres) + 1), np.float32)
    for row, entity in enumerate(entities):
        for genre in entity.genres:
            genres_EG[row, vocabulary.genre_ids.get(genre, 0)] = 1.0
    days_E = np.array([e.age_days for e in entities], np.float32)
    return {
        "id_E": id_E,
        "kind_E": np.array([e.kind for e in entities], np.int64),
        "genres_EG": genres_EG,
        "year_E": np.array([_year(e) for e in entities], np.int64),
        "language_E": np.array(
            [
                vocabulary.language_ids.get(e.languages[0], 0) if e.languages else 0
                for e in entities
            ],
            np.int64,
        ),
        "maturity_E": np.array([min(e.maturity, 21) for e in entities], np.int64),
        "age_EA": np.stack([np.log1p(days_E), np.log1p(interactions_E)], axis=1),
        "origins_EO": first_indices(
            [e.countries for e in entities], vocabulary.origin_ids, ORIGINS_OF_ENTITY_MAX
        ),
        "people_EP": first_indices(
            [e.people for e in entities], vocabulary.person_ids, PEOPLE_OF_ENTITY_MAX
        ),
        **content_features([e.content for e in entities], vocabulary.embeddings),
    }


def _indices(names: Iterable[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(names, start=1)}


def _year(entity: CatalogEntity) -> int:
    """`attributes.year` where the operator says it, else the year of release; 0 if unknown."""
    text = entity.attributes.get("year", "")
    if text.isdecimal():
        year = int(text)
    elif entity.released_at_ms is not None:
        moment = np.datetime64(entity.released_at_ms, "ms").astype("datetime64[Y]")
        year = 1970 + int(moment.astype(np.int64))
    else:
        return 0
    return min(max(year - YEAR_FIRST, 1), YEARS - 1)
