import json
from dataclasses import replace

import numpy as np
import pytest
from factories import START_MS
from factories_vocabulary import VOCABULARY
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.catalog.content import content_vector
from pagecast.featurestore.catalog.snapshot import CatalogEntity
from pagecast.featurestore.prompt.context import ContextConfig
from pagecast.featurestore.prompt.vocabulary import (
    PEOPLE_OF_ENTITY_MAX,
    Vocabulary,
    entity_features,
)

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000


def entity(entity_id: str = "a", **fields: object) -> CatalogEntity:
    known = {"kind": 1, "title": "T", "number": 1, "changed_at_ms": START_MS, "attributes": {}}
    return CatalogEntity(entity_id=entity_id, **known | fields)


def test_entities_are_encoded_for_the_tower() -> None:
    features = entity_features(
        [
            entity("a", genres=("Comedy",), languages=("b", "a"), maturity=12),
            entity("new", genres=("Drama", "Unheard of"), maturity=99, kind=4),
        ],
        VOCABULARY,
    )
    assert features["id_E"].tolist() == [1, 0]
    assert features["kind_E"].tolist() == [1, 4]
    assert features["genres_EG"].tolist() == [[0, 0, 1], [1, 1, 0]]
    assert features["language_E"].tolist() == [2, 0]
    assert features["maturity_E"].tolist() == [12, 21]
    assert features["age_EA"].dtype == np.float32
    np.testing.assert_allclose(features["age_EA"], [[0, np.log(8)], [0, 0]], rtol=1e-6)


def test_the_first_known_countries_and_people_of_an_entity_are_indices() -> None:
    features = entity_features(
        [
            entity(countries=("FR", "NL", "DE"), people=("Grace", "Nobody", "Ada", "Grace")),
            entity(),
        ],
        VOCABULARY,
    )
    assert features["origins_EO"].tolist() == [[2, 1, 0, 0], [0, 0, 0, 0]]
    assert features["people_EP"].tolist() == [[2, 1, 0, 0, 0, 0, 0, 0], [0] * 8]


def test_no_more_people_than_there_is_room_for() -> None:
    names = tuple(f"p{n}" for n in range(PEOPLE_OF_ENTITY_MAX + 2))
    vocabulary = replace(VOCABULARY, people=names)
    people_EP = entity_features([entity(people=names)], vocabulary)["people_EP"]
    assert people_EP.tolist() == [list(range(1, PEOPLE_OF_ENTITY_MAX + 1))]


def test_content_stands_side_by_side_and_what_is_missing_is_zeros() -> None:
    text, image = content_vector("text", [0.0, 5.0, 0.0]), content_vector("image", [3.0, 4.0])
    wrong = content_vector("image", [1.0, 1.0, 1.0])
    strange = content_vector("sound", [1.0, 1.0])
    features = entity_features(
        [
            entity(content=(image, text)),
            entity(content=(text,)),
            entity(content=(wrong, strange)),
            entity(),
        ],
        VOCABULARY,
    )
    np.testing.assert_allclose(
        features["content_EC"],
        [[0.6, 0.8, 0, 1, 0], [0, 0, 0, 1, 0], [0] * 5, [0] * 5],
        rtol=1e-3,
    )
    assert features["has_content_EN"].tolist() == [[1, 1], [0, 1], [0, 0], [0, 0]]
    assert features["content_EC"].dtype == features["has_content_EN"].dtype == np.float32


@pytest.mark.parametrize(
    ("fields", "year"),
    [
        ({"attributes": {"year": "1999"}}, 99),
        ({"attributes": {"year": "1999"}, "released_at_ms": START_MS}, 99),
        ({"released_at_ms": START_MS}, 126),
        ({"attributes": {"year": "soon"}}, 0),
        ({"attributes": {"year": "1066"}}, 1),
        ({"attributes": {"year": "99999"}}, 199),
        ({}, 0),
    ],
)
def test_the_year_is_the_operators_else_the_releases(fields: dict[str, object], year: int) -> None:
    assert entity_features([entity(**fields)], VOCABULARY)["year_E"].tolist() == [year]


def test_age_is_the_logarithm_of_days() -> None:
    old = entity(released_at_ms=START_MS - 9 * DAY_MS)
    days = entity_features([old], VOCABULARY)["age_EA"][0, 0]
    assert days == pytest.approx(np.log(10))


def test_no_entities_make_empty_features() -> None:
    features = entity_features([], VOCABULARY)
    assert features["genres_EG"].shape == (0, 3)
    assert features["age_EA"].shape == (0, 2)
    assert features["content_EC"].shape == (0, 5)
    assert features["people_EP"].shape == (0, PEOPLE_OF_ENTITY_MAX)


_names = st.lists(st.text(max_size=5), unique=True, max_size=5).map(tuple)


_embeddings = st.lists(
    st.tuples(st.text(max_size=5), st.integers(1, 4096)), unique_by=lambda e: e[0], max_size=3
).map(tuple)


@given(entities=_names, genres=_names, rows=_names, embeddings=_embeddings)
def test_a_vocabulary_survives_json(
    entities: tuple[str, ...],
    genres: tuple[str, ...],
    rows: tuple[str, ...],
    embeddings: tuple[tuple[str, int], ...],
) -> None:
    vocabulary = Vocabulary(
        entities=entities,
        entity_interactions=tuple(range(len(entities))),
        rows=rows,
        genres=genres,
        embeddings=embeddings,
        context=ContextConfig(new_max=3),
    )
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary
    assert again.entity_ids == {name: index for index, name in enumerate(entities, start=1)}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"entities": ["a"], "words": []}'])
def test_what_is_no_vocabulary_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Vocabulary.from_json(text)


@pytest.mark.parametrize("field", ["embeddings", "context"])
def test_a_vocabulary_of_an_older_version_is_refused_with_the_remedy(field: str) -> None:
    older = json.loads(VOCABULARY.to_json())
    del older[field]
    with pytest.raises(ValueError, match=f"no `{field}`: train a new model"):
        Vocabulary.from_json(json.dumps(older))


def test_counts_must_align_with_entities() -> None:
    with pytest.raises(ValueError, match="must align"):
        Vocabulary(entities=("a",), entity_interactions=(), rows=())
