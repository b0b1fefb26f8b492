"""A release does not break what others have fitted to the previous one's embeddings."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from factories_databases import migrated
from trainer.factories_base import base_of, without
from trainer.factories_trainer import SMALL

from pagecast.engine.bundles.manifest import STABILISATION_FILE
from pagecast.engine.vectors.stabilisation import Stabilisation
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.export.bundle import load_model
from pagecast.trainer.export.release import (
    USERS_MAX,
    Before,
    Release,
    own_embeddings,
    some_of,
    stabilise,
)
from pagecast.trainer.job import Trained, TrainJob, TrainOutcome
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.train import fit_snapshot

Labels = npt.NDArray[np.int64]


def release_of(model: PageModel, vocabulary: Vocabulary, stabilisation: Stabilisation) -> Release:
    return Release(
        version="before", model=model, vocabulary=vocabulary, stabilisation=stabilisation
    )


@pytest.fixture(scope="module")
def first(trained: Trained) -> Release:
    """Release n, which nothing came before."""
    found = stabilise(
        trained.model, trained.vocabulary, trained.catalog, trained.sample, Before(why_none="first")
    )
    assert found.facts == {"towards": "", "entities": 0, "told": "first"}
    return release_of(trained.model, trained.vocabulary, found.stabilisation)


@pytest.fixture(scope="module")
def second(world: StatePaths, trained: Trained) -> Trained:
    """Trained anew, from other random weights."""
    config = dataclasses.replace(SMALL, seed=1, epochs=6.0)
    return fit_snapshot(TrainJob(source=Source(paths=world), config=config))


def genre_of(catalog: CatalogSnapshot, names: list[str]) -> Labels:
    genres = sorted({genre for entity in catalog.entities for genre in entity.genres})
    index = catalog.entity_index
    return np.array([genres.index(catalog.entities[index[name]].genres[0]) for name in names])


def fitted(table: npt.NDArray[np.float32], label: Labels) -> npt.NDArray[np.float64]:
    """Somebody's linear model: the least squares of a column for each class."""
    wanted = np.eye(label.max() + 1)[label]
    weights: npt.NDArray[np.float64] = np.linalg.lstsq(_with_one(table), wanted, rcond=0.01)[0]
    return weights


def right(weights: npt.NDArray[np.float64], table: npt.NDArray[np.float32], label: Labels) -> float:
    return float(((_with_one(table) @ weights).argmax(1) == label).mean())


def _with_one(table: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return np.hstack([table.astype(np.float64), np.ones((len(table), 1))])


def test_a_linear_model_of_one_release_is_right_on_the_next(
    first: Release, second: Trained
) -> None:
    """Its users watch along one genre: which, is read from their embeddings."""
    now = stabilise(
        second.model, second.vocabulary, second.catalog, second.sample, Before(release=first)
    )
    assert now.facts["towards"] == "before"
    users = second.sample
    label = genre_of(second.catalog, [user.steps[-1].entity_id for user in users])
    then = own_embeddings(first.model, first.vocabulary, second.catalog, users)
    weights = fitted(first.stabilisation.users(then.user_UO), label)
    own = own_embeddings(second.model, second.vocabulary, second.catalog, users)
    assert right(weights, first.stabilisation.users(then.user_UO), label) > 0.9
    with_map = right(weights, now.stabilisation.users(own.user_UO), label)
    assert with_map > 0.8
    assert with_map > right(weights, own.user_UO, label) + 0.2
    assert now.metrics["drift_cosine"] > now.metrics["drift_cosine_unmapped"] + 0.2
    assert now.metrics["drift_neighbours_at_10"] > now.metrics["drift_neighbours_at_10_unmapped"]
    assert now.metrics["drift_users_cosine"] > now.metrics["drift_users_cosine_unmapped"]


def test_products_are_the_models_own(first: Release, second: Trained) -> None:
    now = stabilise(
        second.model, second.vocabulary, second.catalog, second.sample, Before(release=first)
    )
    own = own_embeddings(second.model, second.vocabulary, second.catalog, second.sample)
    scores = own.entity_EO @ own.user_UO.T
    published = now.stabilisation
    found = published.entities(own.entity_EO) @ published.users(own.user_UO).T
    assert np.abs(found - scores).max() < 1e-5 * np.abs(scores).max()


def test_the_same_model_turned_is_published_where_it_was(dataset: Dataset) -> None:
    """The rotation of a model's whole output side changes no score, and no published embedding."""
    base = base_of(dataset, dataset.vocabulary)
    users = some_of(dataset.users)
    before = stabilise(
        base.model, base.vocabulary, dataset.catalog, users, Before(why_none="first")
    )
    release = release_of(base.model, base.vocabulary, before.stabilisation)
    again = stabilise(base.model, base.vocabulary, dataset.catalog, users, Before(release=release))
    assert again.metrics["drift_cosine"] == pytest.approx(1.0, abs=1e-5)
    assert again.metrics["drift_neighbours_at_10"] == 1.0
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 32)))[0]
    turned = Stabilisation(
        entity_OP=before.stabilisation.entity_OP @ turn,
        user_OP=before.stabilisation.user_OP @ turn,
    )
    composed = stabilise(
        base.model,
        base.vocabulary,
        dataset.catalog,
        users,
        Before(release=release_of(base.model, base.vocabulary, turned)),
    )
    np.testing.assert_allclose(
        composed.stabilisation.entity_OP, turned.entity_OP, rtol=1e-4, atol=1e-4
    )


@pytest.fixture(scope="module")
def untrained(dataset: Dataset) -> Release:
    base = base_of(dataset, dataset.vocabulary)
    return release_of(base.model, base.vocabulary, Stabilisation.identity(32))


def begins_anew(dataset: Dataset, untrained: Release, before: Before) -> str:
    users = some_of(dataset.users)[:4]
    found = stabilise(untrained.model, untrained.vocabulary, dataset.catalog, users, before)
    assert found.metrics == {}
    assert found.facts["towards"] == ""
    return str(found.facts["told"])


def test_another_width_begins_anew(dataset: Dataset, untrained: Release) -> None:
    narrow = dataclasses.replace(untrained, stabilisation=Stabilisation.identity(16))
    told = begins_anew(dataset, untrained, Before(release=narrow))
    assert told == "embeddings of before are 16 wide, these 32"


def test_another_catalog_begins_anew(dataset: Dataset, untrained: Release) -> None:
    known = dataset.vocabulary.entities
    few = without(dataset.vocabulary, known[5:])
    other = base_of(dataset, few)
    release = release_of(other.model, few, Stabilisation.identity(32))
    told = begins_anew(dataset, untrained, Before(release=release))
    assert told == f"only 5 of {len(known)} entities were in before"


def test_weights_that_are_no_numbers_get_no_map(dataset: Dataset) -> None:
    broken = base_of(dataset, dataset.vocabulary)
    torch.nn.init.constant_(broken.model.tower.output.id.weight, float("nan"))
    found = stabilise(broken.model, broken.vocabulary, dataset.catalog, (), Before())
    np.testing.assert_array_equal(found.stabilisation.entity_OP, np.eye(32))


def test_users_are_sampled_evenly(dataset: Dataset) -> None:
    many = [dataset.users[0]] * (3 * USERS_MAX + 1)
    assert USERS_MAX / 2 < len(some_of(many)) <= USERS_MAX
    stranger = dataclasses.replace(dataset.users[0], steps=())
    assert some_of([stranger]) == ()


def test_the_champion_is_what_came_before(
    outcome: tuple[TrainOutcome, list[str], StatePaths], tmp_path: Path
) -> None:
    """Before there is one, the base; a bundle that is gone is told, and nothing fails."""
    result = outcome[0]
    paths = StatePaths(root=tmp_path).create()
    engine = migrated(paths.database_url)
    registry = Registry(engine)
    assert Before.find(registry, paths.bundles, "") == Before(why_none="there is no champion yet")
    shutil.copytree(result.bundle, paths.bundles / result.version)
    base = Before.find(registry, paths.bundles, result.version).release
    assert base is not None
    assert base.version == result.version
    assert base.stabilisation.width == 32
    registry.register("gone", parent_version=None, metrics={}, data={})
    registry.promote("gone", "test", forced=True)
    told = Before.find(registry, paths.bundles, result.version)
    engine.dispose()
    assert told.release is None
    assert told.why_none.startswith("the bundle of gone cannot be read: manifest.json")


def test_the_first_bundle_holds_its_axes_and_says_so(
    outcome: tuple[TrainOutcome, list[str], StatePaths],
) -> None:
    _, _, manifest = load_model(outcome[0].bundle)
    assert STABILISATION_FILE in manifest.files
    told = {"towards": "", "entities": 0, "told": "there is no champion yet"}
    assert manifest.data["stabilisation"] == told
