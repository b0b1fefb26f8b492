import pytest
import torch
from torch import Tensor

from pagecast.trainer.config import ModelConfig
from pagecast.trainer.data import Dataset, catalog_features
from pagecast.trainer.tower import EntityTower


@pytest.fixture
def tower(dataset: Dataset) -> EntityTower:
    torch.manual_seed(0)
    tower = EntityTower(ModelConfig(d_model=16), dataset.vocabulary).eval()
    for parameter in tower.parameters():
        torch.nn.init.normal_(parameter)
    tower.remember_seen(catalog_features(dataset.catalog, dataset.vocabulary))
    return tower


@pytest.fixture
def features(dataset: Dataset) -> dict[str, Tensor]:
    return catalog_features(dataset.catalog, dataset.vocabulary)


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
