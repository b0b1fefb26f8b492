"""Labelled rows become a tested head on a model, and a bundle of its own."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from trainer.factories_tasks import class_rows, entity_rows, written
from typer.testing import CliRunner, Result

from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.main import app
from pagecast.engine.bundles.manifest import MANIFEST_FILE, FileDigest
from pagecast.engine.vectors.stabilisation import Stabilisation
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.dataset import catalog_features
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.export.bundle import load_model
from pagecast.trainer.job import TrainOutcome
from pagecast.trainer.starts.base import BaseError
from pagecast.trainer.tasks.bundle import TaskManifest
from pagecast.trainer.tasks.config import TaskConfig
from pagecast.trainer.tasks.fitting import TaskData, Trunk, embedded, fit_frozen, fit_whole
from pagecast.trainer.tasks.head import TaskHead
from pagecast.trainer.tasks.prompts import prompts_of
from pagecast.trainer.tasks.rows import TaskError, read_task
from pagecast.trainer.tasks.run import TaskJob, TaskOutcome, fit_task

Outcome = tuple[TrainOutcome, list[str], StatePaths]

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "downstream.py"

CONFIG = TaskConfig(threads=1)


pytestmark = pytest.mark.faults  # an export of three graphs


@pytest.fixture(scope="module")
def paths(outcome: Outcome, tmp_path_factory: pytest.TempPathFactory) -> StatePaths:
    """A state directory of this module, with a model."""
    root = tmp_path_factory.mktemp("tasks")
    shutil.copytree(outcome[2].root, root, dirs_exist_ok=True)
    return StatePaths(root=root)


def job_of(paths: StatePaths, outcome: Outcome, file: Path) -> TaskJob:
    bundle = paths.bundles / outcome[0].version
    return TaskJob(source=Source(paths=paths), bundle=bundle, file=file, config=CONFIG)


@pytest.fixture(scope="module")
def fitted(paths: StatePaths, outcome: Outcome) -> TaskOutcome:
    """Whether an entity is of the genre that somebody walks along, as an operator asks for it."""
    file = written(paths.root / "rows.jsonl", entity_rows())
    told = pagecast(paths, "--from", outcome[0].version, "--task", str(file), "--json")
    document = json.loads(told.stdout.splitlines()[-1])
    folder = Path(document.pop("bundle"))
    return TaskOutcome(manifest=TaskManifest.model_validate(document), folder=folder)


def pagecast(paths: StatePaths, *options: str) -> Result:
    command = ["train", "--state-dir", str(paths.root), *options]
    result = CliRunner().invoke(app, command)
    if result.exception is not None:
        raise result.exception
    return result


def test_a_frozen_model_knows_the_genre_somebody_walks_along(fitted: TaskOutcome) -> None:
    assert fitted.manifest.metrics["auc"] > 0.9
    assert fitted.manifest.data["rows"] == 180
    assert fitted.manifest.data["rows_tested"] >= 30
    assert fitted.manifest.data["prompts"] == 60
    assert fitted.manifest.data["prompts_without_history"] == 0


def test_the_bundle_is_what_its_manifest_says(fitted: TaskOutcome, outcome: Outcome) -> None:
    told = (fitted.folder / MANIFEST_FILE).read_bytes()
    manifest = TaskManifest.model_validate_json(told)
    assert manifest == fitted.manifest
    assert manifest.base_version == outcome[0].version
    assert fitted.folder.name == manifest.version
    for name, digest in manifest.files.items():
        assert FileDigest.of((fitted.folder / name).read_bytes()) == digest
    assert manifest.metrics["user_encoder_difference_max"] < 1e-4


def test_the_head_is_asked_without_torch(fitted: TaskOutcome) -> None:
    session = onnxruntime.InferenceSession(
        (fitted.folder / "task.onnx").read_bytes(), providers=["CPUExecutionProvider"]
    )
    drawn = np.random.default_rng(0).normal(size=(2, 7, 32)).astype(np.float32)
    (score_XK,) = session.run(None, {"user_XP": drawn[0], "entity_XP": drawn[1]})
    assert score_XK.shape == (7, 1)
    assert ((score_XK >= 0.0) & (score_XK <= 1.0)).all()


def task_data(paths: StatePaths, outcome: Outcome, file: Path) -> tuple[Trunk, TaskData]:
    model, vocabulary, _ = load_model(paths.bundles / outcome[0].version)
    source, task = Source(paths=paths), read_task(file)
    catalog = source.read_catalog()
    features = catalog_features(catalog, vocabulary)
    trunk = Trunk.of(model, vocabulary, Stabilisation.identity(32), features)
    index = catalog.entity_index
    data = TaskData(
        prompts=prompts_of(source, task.rows, catalog, vocabulary),
        entity_X=torch.tensor([index.get(row.entity_id, -1) for row in task.rows]),
        label_X=torch.from_numpy(task.label_X),
    )
    return trunk, data


@pytest.mark.parametrize("of_entities", [False, True])
def test_the_whole_model_moves_towards_the_labels(
    paths: StatePaths, outcome: Outcome, tmp_path: Path, of_entities: bool
) -> None:
    rows = entity_rows() if of_entities else class_rows()
    file = written(tmp_path / "rows.jsonl", rows)
    task = read_task(file)
    trunk, data = task_data(paths, outcome, file)
    head = TaskHead(task.kind, len(task.classes), 32, of_entities=of_entities)
    fitted = len(task.rows)
    fit_frozen(head, trunk, data, fitted)
    before = {name: value.clone() for name, value in trunk.model.state_dict().items()}

    def loss() -> float:
        with torch.no_grad():
            given = embedded(trunk, data, of_entities=of_entities)
            return float(head.loss(head.logits(*given), data.label_X))

    frozen, shares = loss(), list[float]()
    fit_whole(head, trunk, data, fitted, CONFIG, shares.append)
    assert loss() < frozen
    assert shares[-1] == 1.0
    after = trunk.model.state_dict()
    assert not torch.equal(before["fields.weight"], after["fields.weight"])


def test_a_prompt_knows_strictly_earlier_events_alone(
    paths: StatePaths, outcome: Outcome, tmp_path: Path
) -> None:
    """A row of the moment of the sixth step sees five; a row before everything sees none."""
    rows = [*class_rows()]
    rows[0] |= {"at": 0}
    _, data = task_data(paths, outcome, written(tmp_path / "rows.jsonl", rows))
    lengths = sorted(int((prompt.entity_T >= 0).sum()) for prompt in data.prompts.prompts)
    assert data.prompts.strangers == 1
    assert lengths == [0, *[5] * (len(rows) - 1)], "entities known, nothing new in the catalog"


def test_the_command_says_which_row_is_wrong(paths: StatePaths, tmp_path: Path) -> None:
    rows = [row | {"at": "noon"} for row in class_rows()]
    file = written(tmp_path / "rows.jsonl", rows)
    with pytest.raises(CommandError, match="no model has been promoted yet"):
        pagecast(paths, "--task", str(file))
    with pytest.raises(InputError, match="--task: line 1: `at`: 'noon' is no moment"):
        pagecast(paths, "--from", "challenger", "--task", str(file))
    with pytest.raises(InputError, match=r"--task: .*nowhere is no file"):
        pagecast(paths, "--task", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="--whole"):
        pagecast(paths, "--whole")


def test_entities_the_catalog_has_none_of_are_refused(
    paths: StatePaths, outcome: Outcome, tmp_path: Path
) -> None:
    rows = [row | {"entity_id": "nothing"} for row in entity_rows()]
    with pytest.raises(TaskError, match="`entity_id`: the catalog has none of them"):
        fit_task(job_of(paths, outcome, written(tmp_path / "rows.jsonl", rows)))


def test_a_model_that_is_gone_is_told(paths: StatePaths, outcome: Outcome, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", class_rows())
    job = TaskJob(source=Source(paths=paths), bundle=tmp_path / "gone", file=file)
    with pytest.raises(BaseError, match="bundle gone"):
        fit_task(job)


def test_the_example_trains_through_the_user_encoder(
    paths: StatePaths,
    outcome: Outcome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """docs/examples/downstream.py, in this process: importing torch again costs seconds."""
    rows = [row | {"label": row["label"] == "Drama"} for row in class_rows()]
    bundle = str(paths.bundles / outcome[0].version)
    file = str(written(tmp_path / "rows.jsonl", rows))
    options = ["--state-dir", str(paths.root), "--steps", "12"]
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), bundle, file, *options])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["loss_last"] < 0.8 * told["loss_first"]
