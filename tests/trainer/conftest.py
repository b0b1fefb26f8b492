"""What several files of this suite share: a world, a model trained on it, its bundle."""

import functools
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories_shared import shared
from trainer.factories_headed import DecodeExport, export_headed
from trainer.factories_trainer import (
    SMALL,
    in_time_order,
    logged,
    page_builder,
    read_catalog,
    replayed,
    walk,
    write_state,
)

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.dataset import Dataset, build_dataset
from pagecast.trainer.data.snapshot import Source, positions_before_last
from pagecast.trainer.job import Trained, TrainJob, TrainOutcome
from pagecast.trainer.pages.constructed import PageBuilder
from pagecast.trainer.train import fit_snapshot, train

USERS = 80

HELD_OUT = 0.2

# torch writes a record of every guess about a shape for whoever listens at DEBUG: pytest does.
logging.getLogger("torch.__trace").disabled = True


@pytest.fixture(scope="session", autouse=True)
def _one_registry_for_all_exports() -> Iterator[None]:
    """torch parses five hundred functions anew for every graph: a second of CPU, of one to four.

    The registry depends on nothing but the opset, and an export only reads it.
    """
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patch:
        made = functools.cache(ONNXRegistry.from_torchlib)
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(made))
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> StatePaths:
    """A state directory with walks of many users; nobody may write to it."""
    return shared(tmp_path_factory, worker_id, "world", _write_world)


def _write_world(root: Path) -> StatePaths:
    return write_state(root, logged(in_time_order(walk(user) for user in range(USERS))))


@pytest.fixture(scope="session")
def catalog(world: StatePaths) -> CatalogSnapshot:
    return read_catalog(world)


@pytest.fixture(scope="session")
def dataset(catalog: CatalogSnapshot) -> Dataset:
    users = replayed(logged(in_time_order(walk(user) for user in range(USERS))))
    return build_dataset(catalog, users, SMALL.engagement)


@pytest.fixture(scope="session")
def builder(dataset: Dataset) -> PageBuilder:
    return page_builder(dataset)


@pytest.fixture(scope="session")
def headed(dataset: Dataset) -> DecodeExport:
    return export_headed(dataset.vocabulary)


@pytest.fixture(scope="session")
def trained(world: StatePaths, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Trained:
    """Trained on what lies before the last fifth of the time."""
    until = positions_before_last(world, HELD_OUT)
    job = TrainJob(source=Source(paths=world), config=SMALL, until=until)
    return shared(tmp_path_factory, worker_id, "trained", lambda _: fit_snapshot(job))


@pytest.fixture(scope="session")
def outcome(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> tuple[TrainOutcome, list[str], StatePaths]:
    """The same training in one call: outcome, its stages, its state directory."""
    return shared(tmp_path_factory, worker_id, "outcome", _train_in_one_call)


def _train_in_one_call(root: Path) -> tuple[TrainOutcome, list[str], StatePaths]:
    paths = _write_world(root)
    stages: list[str] = []
    job = TrainJob(
        source=Source(paths=paths),
        config=SMALL,
        until=positions_before_last(paths, HELD_OUT),
        checkpoint=paths.training,
    )
    result = train(job, lambda at: stages.append(at.stage))
    return result, list(dict.fromkeys(stages)), paths
