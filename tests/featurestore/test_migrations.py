"""Tables of an older Pagecast are migrated with what they hold, and can be migrated back."""

import pytest
import sqlalchemy as sa

from pagecast.featurestore.database import connect, migrate, migrate_down, revision_of, revisions
from pagecast.featurestore.models.records import CHALLENGER, CHAMPION
from pagecast.featurestore.models.registry import Registry

BEFORE_LINEAGE = "0004"

OLD_MODEL = """INSERT INTO models (version, parent_version, created_at_ms, metrics, data)
VALUES ('v1', NULL, 7, '{"ndcg_at_10": 0.25}', '{"users": 3}')"""

OLD_MOVE = """INSERT INTO alias_moves (alias, version, moved_at_ms, moved_by, reason)
VALUES ('champion', 'v1', 8, 'ada', 'promote')"""

OLD_ALIAS = "INSERT INTO aliases (alias, version, move_id) VALUES ('champion', 'v1', 1)"

OLD_COUNT = "INSERT INTO popularity (entity_id, score, at_ms) VALUES ('e1', 2.5, 9)"


@pytest.fixture
def old_engine(database_url: str) -> sa.Engine:
    """A database as the last Pagecast without lineage left it, with a champion."""
    engine = connect(database_url)
    migrate(engine)
    migrate_down(engine, BEFORE_LINEAGE)
    with engine.begin() as connection:
        for statement in (OLD_MODEL, OLD_MOVE, OLD_ALIAS, OLD_COUNT):
            connection.exec_driver_sql(statement)
    return engine


def columns(engine: sa.Engine, table: str) -> set[str]:
    return {column["name"] for column in sa.inspect(engine).get_columns(table)}


def test_an_older_database_is_migrated_with_what_it_holds(old_engine: sa.Engine) -> None:
    assert "verdict" not in columns(old_engine, "models")
    migrate(old_engine)
    registry = Registry(old_engine)
    champion = registry.resolve(CHAMPION)
    assert champion is not None
    assert (champion.version, champion.metrics) == ("v1", {"ndcg_at_10": 0.25})
    assert (champion.code_version, champion.config, champion.verdict) == ("", {}, None)
    assert [(m.moved_by, m.forced, m.note) for m in registry.moves(CHAMPION)] == [
        ("ada", False, "")
    ]
    registry.register("v2", parent_version="v1", metrics={}, data={})
    registry.promote("v2", by="bob")
    assert registry.rollback(by="bob").version == "v1"
    old_engine.dispose()


def test_going_back_keeps_what_the_older_tables_hold(old_engine: sa.Engine) -> None:
    migrate(old_engine)
    Registry(old_engine).register("v2", parent_version="v1", metrics={}, data={})
    migrate_down(old_engine, BEFORE_LINEAGE)
    assert revision_of(old_engine) == BEFORE_LINEAGE
    with old_engine.connect() as connection:
        versions = connection.exec_driver_sql("SELECT version FROM models ORDER BY id").scalars()
        assert versions.all() == ["v1", "v2"]
        assert connection.exec_driver_sql("SELECT score FROM popularity").scalar() == 2.5
    migrate(old_engine)
    challenger = Registry(old_engine).resolve(CHALLENGER)
    assert challenger is not None
    assert challenger.version == "v2"
    old_engine.dispose()


def test_every_step_down_has_its_way_up_again(engine: sa.Engine) -> None:
    newest = {table: columns(engine, table) for table in sa.inspect(engine).get_table_names()}
    for revision in reversed(revisions()[:-1]):
        migrate_down(engine, revision)
    assert set(sa.inspect(engine).get_table_names()) < set(newest)
    migrate(engine)
    assert {table: columns(engine, table) for table in newest} == newest


@pytest.mark.parametrize("revision", ["from-nowhere", "head"])
def test_a_revision_that_is_not_below_is_refused_by_name(
    sqlite_engine: sa.Engine, revision: str
) -> None:
    with pytest.raises(ValueError, match=f"revision: '{revision}' is not below.*name one of 0001"):
        migrate_down(sqlite_engine, revision)
