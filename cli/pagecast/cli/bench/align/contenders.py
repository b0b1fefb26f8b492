"""Who competes. One more contender is one more line in CONTENDERS."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pagecast.engine.bundle import load_bundle
from pagecast.engine.multi_stage.bundle import load_multi_stage
from pagecast.engine.served_model import ServedBundle
from pagecast.trainer.bundle import BundleFacts, write_bundle
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.multi_stage.config import MultiStageConfig
from pagecast.trainer.multi_stage.train import fit_baseline, write_baseline
from pagecast.trainer.snapshot import Snapshot
from pagecast.trainer.train import fit_on

BASELINE = "multi-stage"
"""What the others are compared with."""

POST_SHARE = 0.25
"""Of the steps of a post-trained model."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a contender is made from. `passes` over the data is of generative models."""

    snapshot: Snapshot
    seed: int
    passes: float
    folder: Path


Make = Callable[[Training], ServedBundle | None]
"""None makes pages by popularity."""


def multi_stage(training: Training) -> ServedBundle:
    config = MultiStageConfig(seed=training.seed)
    baseline = fit_baseline(training.snapshot, config)
    manifest = write_baseline(training.folder, baseline, training.snapshot, config)
    return load_multi_stage(training.folder / manifest.version)


def generative(training: Training) -> ServedBundle:
    return _trained(training, TrainConfig())


def post_trained(training: Training) -> ServedBundle:
    """By weighted binary classification; without logged pages, on constructed ones."""
    config = TrainConfig()
    return _trained(training, replace(config, post=replace(config.post, share=POST_SHARE)))


def popularity(_training: Training) -> None:
    return None


CONTENDERS: dict[str, Make] = {
    BASELINE: multi_stage,
    "generative": generative,
    "generative, WBC": post_trained,
    "popularity": popularity,
}


def _trained(training: Training, config: TrainConfig) -> ServedBundle:
    config = replace(config, seed=training.seed, epochs=training.passes, threads=1)
    trained = fit_on(training.snapshot, config)
    facts = BundleFacts(data={}, metrics={}, config=trained.config.to_json())
    manifest = write_bundle(training.folder, trained.model, trained.vocabulary, facts)
    return load_bundle(training.folder / manifest.version)
