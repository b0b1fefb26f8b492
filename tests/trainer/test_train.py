import dataclasses
from pathlib import Path

import pytest
import torch
from factories import START_MS, event_id, timestamp
from structlog.testing import capture_logs
from trainer.factories_trainer import DAY_MS, SMALL, logged, walk, write_state

from pagecast.engine.bundles.manifest import MANIFEST_FILE, Manifest
from pagecast.featurestore.database import connect
from pagecast.featurestore.models.records import CHALLENGER
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.state import StatePaths
from pagecast.trainer import train as train_module
from pagecast.trainer.code_version import code_version
from pagecast.trainer.data.snapshot import NothingToTrainError, Source
from pagecast.trainer.evaluation.protocols.next_slice import Quality, next_slice_quality
from pagecast.trainer.export.bundle import load_model
from pagecast.trainer.fitting.threads import threads
from pagecast.trainer.job import Progress, Trained, TrainJob, TrainOutcome, TrainProgress
from pagecast.trainer.starts.base import positions_of
from pagecast.trainer.train import evaluate_next_slice, fit_snapshot, train
from pagecast.v1 import events_pb2

Outcome = tuple[TrainOutcome, list[str], StatePaths]

BRIEF = dataclasses.replace(SMALL, epochs=1.0)


def test_the_model_learns_the_planted_pattern(world: StatePaths, trained: Trained) -> None:
    quality = evaluate_next_slice(Source(paths=world), trained)
    assert quality.targets > 50
    assert quality.pagecast.ndcg_at_10 > 2 * quality.popularity.ndcg_at_10
    assert quality.pagecast.ndcg_at_10 > 0.7


def test_training_twice_gives_the_same_weights(world: StatePaths) -> None:
    job = TrainJob(source=Source(paths=world), config=BRIEF)
    first, second = fit_snapshot(job), fit_snapshot(job)
    weights = second.model.state_dict()
    assert all(
        torch.equal(value, weights[name]) for name, value in first.model.state_dict().items()
    )


def test_a_seed_of_its_own_gives_other_weights(world: StatePaths) -> None:
    source = Source(paths=world)
    first = fit_snapshot(TrainJob(source=source, config=BRIEF))
    second = fit_snapshot(TrainJob(source=source, config=dataclasses.replace(BRIEF, seed=1)))
    assert not torch.equal(first.model.row_output_RD, second.model.row_output_RD)


def test_an_empty_feature_store_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NothingToTrainError, match="publish events and ingest them"):
        train(TrainJob(source=Source(paths=StatePaths(root=tmp_path)), config=BRIEF))


def test_a_log_without_a_catalog_says_what_is_missing(tmp_path: Path) -> None:
    paths = write_state(tmp_path, logged(walk(1)), changes=[])
    with pytest.raises(NothingToTrainError, match="publish the catalog"):
        train(TrainJob(source=Source(paths=paths), config=BRIEF))


def test_a_challenger_with_its_numbers_is_registered(outcome: Outcome) -> None:
    result, stages, paths = outcome
    assert stages == ["read", "fit", "evaluate", "export", "judge"]
    manifest = Manifest.unseal((result.bundle / MANIFEST_FILE).read_bytes())
    engine = connect(paths.database_url)
    record = Registry(engine).resolve(CHALLENGER)
    engine.dispose()
    assert record is not None
    assert result.quality is not None
    assert record.version == result.version == manifest.version == result.bundle.name
    assert record.metrics["ndcg_at_10"] == result.quality.pagecast.ndcg_at_10
    assert record.data["protocol"] == result.quality.protocol
    assert record.config == manifest.config
    assert record.code_version == code_version()
    assert record.verdict == result.verdict
    assert manifest.metrics["decode_difference_max"] < 1e-4


def test_a_slice_without_a_choice_leaves_the_model_unjudged(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was learned is not thrown away because people only searched since."""
    watched, later_ms = walk(1), START_MS + 3 * DAY_MS
    searched = events_pb2.InteractionEvent(
        event_id=event_id(later_ms), user_id="u1", occurred_at=timestamp(later_ms)
    )
    searched.search.query = "heat"
    paths = write_state(tmp_path, logged([*watched, searched]))
    learned = dataclasses.replace(trained, positions={("log", 0): len(watched)})
    told: list[Quality | None] = []

    def export(_: Source, __: Trained, quality: Quality | None, ___: Progress) -> TrainOutcome:
        told.append(quality)
        return TrainOutcome(version="v", bundle=tmp_path, metrics={}, quality=quality)

    monkeypatch.setattr(train_module, "export_and_register", export)
    job = TrainJob(source=Source(paths=paths), config=BRIEF, until=learned.positions)
    with capture_logs() as logs:
        result = train(job, fitting=lambda *_: learned)
    assert (result.version, result.verdict, told) == ("v", None, [None])
    assert [log["event"] for log in logs] == ["model_not_judged"]


def test_the_manifest_tells_what_padding_cost(outcome: Outcome) -> None:
    manifest = Manifest.unseal((outcome[0].bundle / MANIFEST_FILE).read_bytes())
    assert 0.0 < float(manifest.data["padding"]) < 0.5  # type: ignore[arg-type]
    assert float(manifest.data["tokens_per_second"]) > 0.0  # type: ignore[arg-type]


def test_the_manifest_tells_where_pages_came_from(outcome: Outcome) -> None:
    manifest = Manifest.unseal((outcome[0].bundle / MANIFEST_FILE).read_bytes())
    pages = manifest.data["pages"]
    assert isinstance(pages, dict)
    assert (pages["from"], pages["logged"]) == ("constructed", 0)
    assert pages["users_constructed"] == 80
    trained_on = pages["trained_on"]
    assert isinstance(trained_on, dict)
    assert trained_on["logged_pages"] == 0
    assert trained_on["constructed_pages"] > 0  # type: ignore[operator]
    assert manifest.data["value_loss"] is None


def test_the_same_training_in_parts_gives_the_same_model(
    outcome: Outcome, trained: Trained
) -> None:
    model, vocabulary, manifest = load_model(outcome[0].bundle)
    assert vocabulary == trained.vocabulary
    assert manifest.data["positions"] == [
        {"topic_id": "log", "partition": 0, "next_offset": trained.positions["log", 0]}
    ]
    weights = trained.model.state_dict()
    assert all(torch.equal(value, weights[n]) for n, value in model.state_dict().items())


def test_a_bundle_is_evaluated_like_the_model_it_was_made_of(outcome: Outcome) -> None:
    result, _, paths = outcome
    model, vocabulary, manifest = load_model(result.bundle)
    snapshot = Source(paths=paths).read(known=positions_of(manifest))
    with threads(SMALL.threads):
        quality = next_slice_quality(model, vocabulary, snapshot.catalog, snapshot.users)
    assert quality == result.quality


def test_an_interrupted_training_leaves_nothing(world: StatePaths) -> None:
    def interrupt(at: TrainProgress) -> None:
        if at.fit is not None and at.fit.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TrainJob(source=Source(paths=world), config=BRIEF), interrupt)
    assert list(world.bundles.iterdir()) == []


def test_an_interrupted_training_goes_on(world: StatePaths, tmp_path: Path) -> None:
    def interrupt(at: TrainProgress) -> None:
        if at.fit is not None and at.fit.step == 2:
            raise KeyboardInterrupt

    often = dataclasses.replace(BRIEF, checkpoint_every_s=0.0)
    job = TrainJob(source=Source(paths=world), config=often, checkpoint=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit_snapshot(job, interrupt)
    steps: list[int] = []
    fit_snapshot(job, lambda at: steps.append(at.fit.step) if at.fit is not None else None)
    assert steps[0] == 3
