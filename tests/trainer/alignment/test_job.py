"""Alignment, from the feature store to the registry."""

import dataclasses
import json
from pathlib import Path

import pytest
from pydantic import JsonValue, TypeAdapter
from trainer.alignment.factories_alignment import untrained
from trainer.alignment.factories_rewarded import REWARDED, rewarding_world
from trainer.factories_trainer import SMALL

from pagecast.trainer.alignment.config import RewardModelConfig
from pagecast.trainer.alignment.job import REPORT_FILE, align_snapshot
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.export.registering import data_facts
from pagecast.trainer.fitting.checkpoint import Checkpoint, Checkpoints
from pagecast.trainer.job import TrainJob, TrainProgress
from pagecast.trainer.starts.base import Base, BaseError, told_positions

ALIGN = dataclasses.replace(
    REWARDED,
    steps=2,
    prompts_per_step=2,
    group_size=2,
    reward=RewardModelConfig(steps_max=2, hidden=8),
)


def test_an_aligned_model_is_the_base_s_and_tells_how_it_came_about(tmp_path: Path) -> None:
    world = rewarding_world(tmp_path / "state")
    policy = untrained(world.dataset())
    known = {("log", 0): 7}
    base = Base(
        model=policy.model, vocabulary=policy.vocabulary, positions=known, incremental_runs=3
    )
    job = TrainJob(
        source=Source(paths=world.paths),
        config=dataclasses.replace(SMALL, align=ALIGN),
        base=base,
        checkpoint=tmp_path / "kept",
    )
    seen: list[TrainProgress] = []
    trained = align_snapshot(job, seen.append)
    assert list(dict.fromkeys(at.stage for at in seen)) == ["read", "reward", "align"]
    assert [at.align.step for at in seen if at.align is not None] == [1, 2]
    assert trained.vocabulary is base.vocabulary
    assert trained.model is not base.model
    assert Checkpoint.from_bytes(Checkpoints(tmp_path / "kept").newest()).facts.step == 2
    assert (tmp_path / "kept" / REPORT_FILE).read_text().count("<svg") == 2
    told = json.loads(json.dumps(data_facts(trained, None), allow_nan=False))
    TypeAdapter(dict[str, JsonValue]).validate_python(told)
    assert (told["kind"], told["incremental_runs"], told["entity_loss"]) == ("aligned", 3, None)
    assert told["align"]["reward_models"]["page"]["judged"] > 0
    assert told["align"]["last_round"]["step"] == 2
    assert told["positions"] == told_positions(known), "its histories are still to be learned"
    assert told["align"]["positions"] == told_positions(trained.positions) != told["positions"]


def test_without_a_base_there_is_nothing_to_align(tmp_path: Path) -> None:
    world = rewarding_world(tmp_path / "state", members=1)
    config = dataclasses.replace(SMALL, align=ALIGN)
    with pytest.raises(BaseError, match="no model to begin from"):
        align_snapshot(TrainJob(source=Source(paths=world.paths), config=config))
