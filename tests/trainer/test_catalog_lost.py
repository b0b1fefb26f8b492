"""Half of the catalog is lost, as by an old backup: nothing that serves gets worse."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from trainer.factories_claimed import run_next
from trainer.factories_trainer import catalog_changes, in_time_order, logged, walk, write_state

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.database import connect
from pagecast.featurestore.models.records import CHAMPION, ModelRecord
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.orders import TrainingKind, TrainingOrder
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.trainer import gate
from pagecast.trainer.export.bundle import load_model

pytestmark = pytest.mark.faults


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return write_state(tmp_path, logged(in_time_order(walk(user) for user in range(40))))


@pytest.fixture
def engine(paths: StatePaths) -> Iterator[sa.Engine]:
    made = connect(paths.database_url)
    yield made
    made.dispose()


@pytest.fixture(autouse=True)
def _few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PAGES", 3)


def lose_half(engine: sa.Engine) -> None:
    """The catalog is what a backup with every other entity holds."""
    with engine.begin() as connection:
        for statement in (
            "DELETE FROM catalog_versions",
            "DELETE FROM log_positions WHERE consumer = 'catalog'",
        ):
            connection.exec_driver_sql(statement)
    rows = [change for change in catalog_changes() if change.HasField("upsert_row")]
    entities = [change for change in catalog_changes() if change.HasField("upsert_entity")]
    Catalog(engine).apply(
        [
            (LogOffset(topic_id="restored", partition=0, offset=offset), change)
            for offset, change in enumerate([*rows, *entities[::2]])
        ]
    )


def trained(engine: sa.Engine, paths: StatePaths, order: TrainingOrder) -> ModelRecord:
    Trainings(engine).ask(f"{order.kind}-{order.hold_out}", order, asked_by="rpc")
    return Registry(engine).get(run_next(engine, paths))


def test_a_model_made_of_half_a_catalog_does_not_serve(
    engine: sa.Engine, paths: StatePaths
) -> None:
    champion = trained(engine, paths, TrainingOrder(hold_out=0.2))
    before = len(Catalog(engine).snapshot().entities)
    lose_half(engine)
    assert len(Catalog(engine).snapshot().entities) == before // 2

    anew = trained(engine, paths, TrainingOrder(hold_out=0.25))
    assert anew.verdict is not None
    refused = {c.name: c.told for c in anew.verdict.criteria if not c.passed}
    assert "covers_catalog" in refused
    serving = Registry(engine).resolve(CHAMPION)
    assert serving is not None
    assert serving.version == champion.version

    slice_order = TrainingOrder(kind=TrainingKind.INCREMENTAL, hold_out=0.5)
    grown = trained(engine, paths, slice_order)
    _, was, _ = load_model(paths.bundles / champion.bundle)
    _, now, _ = load_model(paths.bundles / grown.bundle)
    assert now.entities[: len(was.entities)] == was.entities, "what is gone keeps its number"
