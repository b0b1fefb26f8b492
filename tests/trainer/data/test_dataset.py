from factories import START_MS, play
from trainer.factories_trainer import SMALL, logged, replayed

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.trainer.data.dataset import (
    Dataset,
    build_vocabulary,
    catalog_features,
    fallback_row,
    next_row,
    row_ids,
)


def test_only_entities_with_steps_get_an_id(catalog: CatalogSnapshot) -> None:
    events = [play("u", entity, START_MS + i) for i, entity in enumerate(("e7", "e2", "e7"))]
    vocabulary = build_vocabulary(catalog, replayed(logged(events)))
    assert vocabulary.entities == ("e2", "e7")
    assert vocabulary.entity_interactions == (1, 2)


def test_an_entity_the_catalog_lacks_gets_no_id(catalog: CatalogSnapshot) -> None:
    vocabulary = build_vocabulary(catalog, replayed(logged([play("u", "unknown")])))
    assert vocabulary.entities == ()


def test_names_come_from_catalog_and_steps(dataset: Dataset) -> None:
    vocabulary = dataset.vocabulary
    assert vocabulary.genres == ("Action", "Comedy", "Drama")
    assert vocabulary.devices == ("tv",)
    assert vocabulary.surfaces == ("home",)
    assert vocabulary.countries == ()
    assert vocabulary.rows == tuple(row.row_id for row in dataset.catalog.rows)


def test_features_cover_the_whole_catalog(dataset: Dataset) -> None:
    features = catalog_features(dataset.catalog, dataset.vocabulary)
    assert {len(values) for values in features.values()} == {len(dataset.catalog.entities)}


def test_the_fallback_row_stands_behind_the_catalogs(dataset: Dataset) -> None:
    ids = row_ids(dataset.catalog, dataset.vocabulary).tolist()
    assert ids == [*range(1, len(dataset.catalog.rows) + 1), 0]
    assert fallback_row(dataset.catalog) == len(ids) - 1
    assert dataset.catalog.rows[next_row(dataset.catalog)].row_id == "top"


def test_columns_weigh_steps_by_engagement(dataset: Dataset) -> None:
    by_rating: dict[float, float] = {}
    for user, columns in zip(dataset.users, dataset.columns, strict=True):
        for step, weight in zip(user.steps, columns.weight_N.tolist(), strict=True):
            assert step.rating is not None
            by_rating[step.rating] = round(weight, 3)
    slope = SMALL.engagement.rating_slope
    assert by_rating == {3.0: 1.0, 4.0: 1.0 + slope, 5.0: 1.0 + 2 * slope}
