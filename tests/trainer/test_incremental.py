"""An incremental run learns what is new, and leaves alone what it does not touch."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from factories import START_MS
from trainer.factories_trainer import (
    DAY_MS,
    SMALL,
    in_time_order,
    logged,
    walk,
    write_state,
)

from pagecast.engine.bundles.manifest import MANIFEST_FILE, Manifest
from pagecast.featurestore.database import connect
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.snapshot import NothingToTrainError, Source
from pagecast.trainer.export import bundle
from pagecast.trainer.fitting.checkpoint import CheckpointError
from pagecast.trainer.job import Trained, TrainJob, TrainOutcome, TrainProgress
from pagecast.trainer.start_config import IncrementalConfig
from pagecast.trainer.starts.base import Base, BaseError, load_base
from pagecast.trainer.train import fit_snapshot, train

USERS = 12

CONFIG = dataclasses.replace(
    SMALL,
    epochs=1.0,
    incremental=IncrementalConfig(replay_share=0.0, epochs=2.0, learning_rate=1e-2, full_every=0),
)

REPLAYING = dataclasses.replace(
    CONFIG, incremental=dataclasses.replace(CONFIG.incremental, replay_share=0.5)
)

OLD = in_time_order(walk(user) for user in range(USERS))

NEW = walk(USERS, begin_ms=START_MS + 3 * DAY_MS)
"""Of one more user, days after everything else."""


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> StatePaths:
    return write_state(tmp_path_factory.mktemp("incremental"), logged([*OLD, *NEW]))


@pytest.fixture(scope="module")
def base(paths: StatePaths) -> Base:
    """Trained before the newest user came."""
    until = {("log", 0): len(OLD)}
    trained = fit_snapshot(TrainJob(source=Source(paths=paths), config=CONFIG, until=until))
    return base_of(trained)


def base_of(trained: Trained) -> Base:
    return Base(
        model=trained.model,
        vocabulary=trained.vocabulary,
        version="base",
        positions=trained.positions,
    )


def learned(paths: StatePaths, base: Base, config: TrainConfig = CONFIG) -> Trained:
    job = TrainJob(source=Source(paths=paths), config=config, base=base, incremental=True)
    return fit_snapshot(job)


def test_rows_of_untouched_entities_are_byte_for_byte_the_bases(
    paths: StatePaths, base: Base
) -> None:
    trained = learned(paths, base)
    touched = {event.play.entity_id for event in NEW if event.HasField("play")}
    rows = base.vocabulary.entity_ids
    untouched = [row for name, row in rows.items() if name not in touched]
    moved = [row for name, row in rows.items() if name in touched]
    assert untouched
    assert moved
    for side in ("input", "output"):
        name = f"tower.{side}.id.weight"
        was, now = base.model.state_dict()[name], trained.model.state_dict()[name]
        assert now[untouched].numpy().tobytes() == was[untouched].numpy().tobytes()
        # The last of them was predicted, and never an input.
        assert (now[moved] != was[moved]).any(1).sum() >= len(moved) - 1


def test_dense_weights_and_the_fallback_move(paths: StatePaths, base: Base) -> None:
    was, now = base.model.state_dict(), learned(paths, base).model.state_dict()
    for name in ("decoder.blocks.0.attention.qkv.weight", "tower.genre.weight"):
        assert not torch.equal(was[name], now[name])


def test_only_the_slice_is_read_and_the_log_ends_where_it_ends(
    paths: StatePaths, base: Base
) -> None:
    trained = learned(paths, base)
    assert trained.users == 1
    assert trained.positions == {("log", 0): len(OLD) + len(NEW)}
    assert trained.start is not None
    facts = trained.start.facts()
    assert (facts["kind"], facts["incremental_runs"], facts["replayed_users"]) == (
        "incremental", 1, 0,
    )  # fmt: skip


def test_a_share_of_old_requests_is_replayed(paths: StatePaths, base: Base) -> None:
    trained = learned(paths, base, REPLAYING)
    assert trained.start is not None
    assert trained.start.replayed is not None
    assert 1 <= len(trained.start.replayed) <= 2, "as many old requests as new ones"
    assert trained.users == 1 + len(trained.start.replayed)


def test_counts_go_on_from_the_bases(paths: StatePaths, base: Base) -> None:
    trained = learned(paths, base, REPLAYING)
    whole = fit_snapshot(TrainJob(source=Source(paths=paths), config=CONFIG)).vocabulary
    counts = dict(
        zip(trained.vocabulary.entities, trained.vocabulary.entity_interactions, strict=True)
    )
    assert counts == dict(zip(whole.entities, whole.entity_interactions, strict=True))


def test_twice_the_same_gives_the_same_weights(paths: StatePaths, base: Base) -> None:
    first, second = (learned(paths, base, REPLAYING).model.state_dict() for _ in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_an_interrupted_run_goes_on_to_the_same_weights(
    paths: StatePaths, base: Base, tmp_path: Path
) -> None:
    def interrupt(at: TrainProgress) -> None:
        if at.fit is not None and at.fit.step == 1:
            raise KeyboardInterrupt

    often = dataclasses.replace(REPLAYING, checkpoint_every_s=0.0)
    job = TrainJob(
        source=Source(paths=paths), config=often, base=base, incremental=True, checkpoint=tmp_path
    )
    with pytest.raises(KeyboardInterrupt):
        fit_snapshot(job, interrupt)
    resumed = fit_snapshot(job)
    assert resumed.fit.steps > 1
    weights = learned(paths, base, often).model.state_dict()
    assert all(torch.equal(v, weights[n]) for n, v in resumed.model.state_dict().items())
    other = dataclasses.replace(job, base=dataclasses.replace(base, version="another"))
    with pytest.raises(CheckpointError, match="base was base and is another"):
        fit_snapshot(other)


def test_a_slice_without_events_says_so(paths: StatePaths, base: Base) -> None:
    everything = dataclasses.replace(base, positions={("log", 0): len(OLD) + len(NEW)})
    with pytest.raises(NothingToTrainError, match="no events after the data of the base"):
        learned(paths, everything)


def test_a_base_of_another_shape_is_refused_by_its_field(paths: StatePaths, base: Base) -> None:
    wider = dataclasses.replace(CONFIG, model=dataclasses.replace(SMALL.model, d_model=64))
    with pytest.raises(BaseError, match=r"model\.d_model: the base base has 32.*--profile"):
        learned(paths, base, wider)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseError, match="name another model, or train without --from"):
        load_base(tmp_path / "none")


def test_incremental_without_a_base_makes_no_sense(paths: StatePaths) -> None:
    with pytest.raises(ValueError, match="give the base model"):
        TrainJob(source=Source(paths=paths), incremental=True)


@pytest.mark.parametrize(("runs", "due"), [(0, False), (5, False), (6, True), (9, True)])
def test_every_seventh_training_is_full(base: Base, runs: int, due: bool) -> None:
    at = dataclasses.replace(base, incremental_runs=runs)
    assert at.full_due(7) is due
    assert not at.full_due(0)


@pytest.mark.faults
def test_lineage_and_forgetting_are_in_manifest_and_registry(
    outcome: tuple[TrainOutcome, list[str], StatePaths],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The slice that was held out of the base is what is new; the base's graphs are refilled."""
    first, _, theirs = outcome
    shutil.copytree(theirs.root, tmp_path, dirs_exist_ok=True)
    paths = StatePaths(root=tmp_path)
    base = load_base(paths.bundles / first.version)
    job = TrainJob(source=Source(paths=paths), config=REPLAYING, base=base, incremental=True)
    monkeypatch.setattr(bundle, "export", lambda *_: pytest.fail("a graph was exported"))
    second = train(job)
    manifest = Manifest.unseal((second.bundle / MANIFEST_FILE).read_bytes())
    assert manifest.parent_version == first.version
    assert manifest.data["kind"] == "incremental"
    assert manifest.data["from_positions"] == [
        {"topic_id": "log", "partition": 0, "next_offset": base.positions["log", 0]}
    ]
    assert second.metrics["old_targets"] > 100
    forgotten = second.metrics["old_ndcg_at_10_of_base"] - second.metrics["old_ndcg_at_10"]
    assert second.metrics["forgotten_ndcg_at_10"] == pytest.approx(forgotten)
    engine = connect(paths.database_url)
    record = Registry(engine).get(second.version)
    engine.dispose()
    assert record.parent_version == first.version
    assert load_base(second.bundle).incremental_runs == 1
