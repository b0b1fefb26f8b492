from collections.abc import Sequence
from unittest.mock import patch

import pytest
from rules.factories_rules import entity, snapshot

from pagecast.featurestore.catalog.content import ContentVector, content_vector
from pagecast.trainer.data import metadata
from pagecast.trainer.data.metadata import ContentError, content_names, people_names


def vectors(**values: Sequence[float]) -> tuple[ContentVector, ...]:
    found = (content_vector(name, of_name) for name, of_name in values.items())
    return tuple(vector for vector in found if vector is not None)


def test_a_person_of_few_entities_is_not_known() -> None:
    casts = [("Ada", "Grace"), ("Ada", "Ada"), ("Grace", "Ada"), ("Grace", "Once")]
    catalog = snapshot([entity(f"e{n}", people=cast) for n, cast in enumerate(casts)])
    assert people_names(catalog) == ("Ada", "Grace")


def test_the_most_frequent_people_are_kept() -> None:
    casts = [("Ada", "Grace")] * 3 + [("Grace", "Zoe")] * 3
    catalog = snapshot([entity(f"e{n}", people=cast) for n, cast in enumerate(casts)])
    with patch.object(metadata, "PEOPLE_MAX", 2):
        assert people_names(catalog) == ("Grace", "Ada")


def test_content_names_are_sorted_and_have_their_dimensions() -> None:
    catalog = snapshot(
        [
            entity("a", content=vectors(text=[1, 0])),
            entity("b", content=vectors(image=[1])),
            entity("c"),
        ]
    )
    assert content_names(catalog) == (("image", 1), ("text", 2))


def test_a_name_with_two_dimensions_is_told_with_the_entity_and_the_remedy() -> None:
    catalog = snapshot(
        [entity("a", content=vectors(text=[1, 0])), entity("b", content=vectors(text=[1]))]
    )
    with pytest.raises(
        ContentError, match=r"entity b: embedding 'text' has 1 dimensions, .* have 2: publish"
    ):
        content_names(catalog)


def test_too_many_dimensions_are_refused() -> None:
    catalog = snapshot([entity("a", content=vectors(image=[1, 2, 3], text=[1, 0]))])
    with (
        patch.object(metadata, "CONTENT_DIMENSIONS_MAX", 4),
        pytest.raises(ContentError, match="image, text have 5 dimensions together, at most 4"),
    ):
        content_names(catalog)
