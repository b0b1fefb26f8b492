from factories import START_MS

from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogRow, CatalogSnapshot

DAY_MS = 86_400_000


def entity(entity_id: str = "e", *, released_at_ms: int | None = None) -> CatalogEntity:
    return CatalogEntity(
        entity_id=entity_id,
        kind=1,
        title="T",
        number=1,
        changed_at_ms=START_MS,
        released_at_ms=released_at_ms,
        attributes={},
    )


def test_age_is_counted_from_the_release_to_the_version() -> None:
    assert entity(released_at_ms=START_MS - 3 * DAY_MS).age_days == 3.0
    assert entity(released_at_ms=START_MS + DAY_MS).age_days == 0.0, "not released yet"
    assert entity().age_days == 0.0, "not known"


def test_indices_are_positions() -> None:
    rows = tuple(CatalogRow(row_id=row_id, title="T", number=1) for row_id in ("r1", "r2"))
    snapshot = CatalogSnapshot(number=1, entities=(entity("a"), entity("b")), rows=rows)
    assert snapshot.entity_index == {"a": 0, "b": 1}
    assert snapshot.row_index == {"r1": 0, "r2": 1}
