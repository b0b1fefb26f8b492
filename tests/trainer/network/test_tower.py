import dataclasses

import pytest
import torch
from torch import Tensor

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features
from pagecast.trainer.network.tower import EntityTower


@pytest.fixture
def vocabulary(dataset: Dataset) -> Vocabulary:
    """Of a training that has met countries of origin, people and two content embeddings."""
    return dataclasses.replace(
        dataset.vocabulary,
        origins=("DE", "FR"),
        people=("Ada", "Grace", "Zoe"),
        embeddings=(("image", 2), ("text", 3)),
    )


@pytest.fixture
def tower(dataset: Dataset, vocabulary: Vocabulary) -> EntityTower:
    torch.manual_seed(0)
    tower = EntityTower(ModelConfig(d_model=16), vocabulary).eval()
    for parameter in tower.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # the mix is neither all ID nor all metadata
    tower.remember_seen(catalog_features(dataset.catalog, vocabulary))
    return tower


@pytest.fixture
def features(dataset: Dataset, vocabulary: Vocabulary) -> dict[str, Tensor]:
    """Of entities without any countries, people and content."""
    return catalog_features(dataset.catalog, vocabulary)


def described(features: dict[str, Tensor], **of_first: list[float]) -> dict[str, Tensor]:
    """The first entity with other values; names are the features'."""
    changed = {name: features[name].clone() for name in of_first}
    for name, values in of_first.items():
        changed[name][0, : len(values)] = torch.tensor(values).to(changed[name].dtype)
    return {**features, **changed}


def moved(tower: EntityTower, before: dict[str, Tensor], after: dict[str, Tensor]) -> list[int]:
    """Entities whose output embedding is another one."""
    difference_ED = tower(before)[1] - tower(after)[1]
    found: list[int] = torch.nonzero(difference_ED.abs().amax(1) > 1e-4).flatten().tolist()
    return found


def changed(features: dict[str, Tensor], name: str, value: int) -> dict[str, Tensor]:
    return {**features, name: torch.full_like(features[name], value)}


def test_entities_without_an_id_differ_by_their_metadata_only(
    tower: EntityTower, features: dict[str, Tensor]
) -> None:
    alike = {
        name: values[:1].repeat(2, *[1] * (values.ndim - 1)) for name, values in features.items()
    }
    alike["id_E"] = torch.tensor([0, 0])
    for side_ED in tower(alike):
        torch.testing.assert_close(side_ED[0], side_ED[1])
    alike["genres_EG"] = torch.eye(features["genres_EG"].shape[1])[:2]
    for side_ED in tower(alike):
        assert not torch.allclose(side_ED[0], side_ED[1])


def test_no_id_embedding_but_the_fallback_reaches_an_entity_without_an_id(
    tower: EntityTower, features: dict[str, Tensor]
) -> None:
    anonymous = changed(features, "id_E", 0)
    before = tower(anonymous)
    with torch.no_grad():
        for side in (tower.input, tower.output):
            side.id.weight[1:] = 7.0
    for old_ED, new_ED in zip(before, tower(anonymous), strict=True):
        torch.testing.assert_close(old_ED, new_ED)


def test_age_decides_how_far_an_id_is_trusted(
    tower: EntityTower, features: dict[str, Tensor]
) -> None:
    young = {**features, "age_EA": torch.zeros_like(features["age_EA"])}
    assert not torch.allclose(tower(young)[0], tower(features)[0])


def test_a_year_never_seen_is_the_nearest_seen_one(
    tower: EntityTower, features: dict[str, Tensor]
) -> None:
    newest = int(features["year_E"].max())
    for year in (newest + 1, 199):
        torch.testing.assert_close(
            tower(changed(features, "year_E", year)), tower(changed(features, "year_E", newest))
        )


@pytest.mark.parametrize(("name", "unseen"), [("kind_E", 4), ("maturity_E", 18)])
def test_a_kind_or_maturity_never_seen_is_the_unknown_one(
    tower: EntityTower, features: dict[str, Tensor], name: str, unseen: int
) -> None:
    torch.testing.assert_close(
        tower(changed(features, name, unseen)), tower(changed(features, name, 0))
    )


def test_input_and_output_embeddings_are_untied(
    tower: EntityTower, features: dict[str, Tensor]
) -> None:
    input_ED, output_ED = tower(features)
    assert not torch.allclose(input_ED, output_ED)


@pytest.mark.parametrize(
    "metadata",
    [
        {"origins_EO": [2]},
        {"people_EP": [1, 3]},
        {"content_EC": [0.6, 0.8], "has_content_EN": [1]},
        {"content_EC": [0, 0, 1, 0, 0], "has_content_EN": [0, 1]},
    ],
    ids=["origin", "people", "image", "text"],
)
def test_metadata_moves_the_entity_that_has_it_and_no_other(
    tower: EntityTower, features: dict[str, Tensor], metadata: dict[str, list[float]]
) -> None:
    assert moved(tower, features, described(features, **metadata)) == [0]


def test_content_that_is_not_there_says_nothing(
    tower: EntityTower, features: dict[str, Tensor]
) -> None:
    hidden = described(features, content_EC=[0.6, 0.8, 1, 0, 0])
    assert moved(tower, features, hidden) == []
    text = described(features, content_EC=[0, 0, 1, 0, 0], has_content_EN=[0, 1])
    both = described(features, content_EC=[0.6, 0.8, 1, 0, 0], has_content_EN=[0, 1])
    assert moved(tower, text, both) == []


def test_a_training_without_content_makes_a_tower_without(dataset: Dataset) -> None:
    tower = EntityTower(ModelConfig(d_model=16), dataset.vocabulary)
    assert not list(tower.content.parameters())
    features = catalog_features(dataset.catalog, dataset.vocabulary)
    assert features["content_EC"].shape == (len(dataset.catalog.entities), 0)
    assert all(torch.isfinite(side_ED).all() for side_ED in tower(features))


def test_people_count_the_same_in_any_order(
    tower: EntityTower, features: dict[str, Tensor]
) -> None:
    one_way = described(features, people_EP=[1, 3])
    assert moved(tower, one_way, described(features, people_EP=[3, 1])) == []
    assert moved(tower, one_way, described(features, people_EP=[1, 2])) == [0]
