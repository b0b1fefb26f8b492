"""Triggers remember what they counted, and see catalog and models."""

import sqlalchemy as sa
from factories import genre_row, movie, upsert

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.trainings.trigger_states import (
    TriggerState,
    entities_known,
    newest_model_ms,
    read_states,
    write_states,
)
from pagecast.v1 import catalog_pb2


def test_states_are_read_as_they_were_written(engine: sa.Engine) -> None:
    first = {"events": TriggerState(since_ms=5, figures={"events": 3})}
    with exclusive(engine, Lock.TRIGGERS) as connection:
        assert read_states(connection) == {}
        write_states(connection, {**first, "drift": TriggerState(since_ms=6)})
    changed = TriggerState(since_ms=7, figures={"window": [1, 2]})
    with exclusive(engine, Lock.TRIGGERS) as connection:
        write_states(connection, {"drift": changed})
        write_states(connection, {})
        assert read_states(connection) == {**first, "drift": changed}


def test_entities_are_counted_and_rows_are_not(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert entities_known(connection) == 0
    changes = [
        upsert(movie("heat")),
        upsert(genre_row("Drama")),
        upsert(movie("alien")),
        upsert(movie("heat", title="Heat")),
        catalog_pb2.CatalogChange(retire_entity_id="alien"),
    ]
    Catalog(engine).apply(
        [
            (LogOffset(topic_id="t", partition=0, offset=offset), change)
            for offset, change in enumerate(changes)
        ]
    )
    with engine.connect() as connection:
        assert entities_known(connection) == 2


def test_the_newest_model_is_known_by_its_time(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert newest_model_ms(connection) == 0
    record = Registry(engine).register("v1", parent_version=None, metrics={}, data={})
    with engine.connect() as connection:
        assert newest_model_ms(connection) == record.created_at_ms
