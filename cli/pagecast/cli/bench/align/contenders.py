"""Who competes. One more contender is one more line in CONTENDERS."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pagecast.cli.bench.align.workshop import REWARD, Overrides, Workshop
from pagecast.engine.bundles.served_model import ServedBundle
from pagecast.engine.multi_stage.bundle import load_multi_stage
from pagecast.trainer.alignment.config import RECIPES
from pagecast.trainer.alignment.on_pages import align_on_pages
from pagecast.trainer.alignment.progress import AlignProgress
from pagecast.trainer.fitting.threads import threads
from pagecast.trainer.job import Trained
from pagecast.trainer.multi_stage.config import MultiStageConfig
from pagecast.trainer.multi_stage.train import fit_baseline, write_baseline
from pagecast.trainer.pages.shown import Shown
from pagecast.trainer.profiles import PROFILES
from pagecast.trainer.starts.base import Base, Start

POST_SHARE = 0.25
"""Passes of post-training, as a share of those of the pretraining before it."""

ALL = 0.9999
"""Share of a training that consists of post-training alone: below ten thousand steps only the first
one comes before it, with a learning rate of 0."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What competes; without a bundle pages are made by popularity. `told` are figures of its
    training; `trained` is the model, if it is one of tokens."""

    bundle: ServedBundle | None
    trained: Trained | None = None
    told: Mapping[str, float] = field(default_factory=dict)


Make = Callable[[Workshop], Made]


def multi_stage(shop: Workshop) -> Made:
    snapshot, config = shop.data.snapshot, MultiStageConfig(seed=shop.seed)
    with tempfile.TemporaryDirectory(prefix="multi-stage-") as folder:
        manifest = write_baseline(Path(folder), fit_baseline(snapshot, config), snapshot, config)
        return Made(bundle=load_multi_stage(Path(folder) / manifest.version))


def popularity(_shop: Workshop) -> Made:
    return Made(bundle=None)


def generative(shop: Workshop) -> Made:
    """Pretrained only."""
    return Made(bundle=shop.pretrained_bundle, trained=shop.pretrained({}))


def wbc(overrides: Overrides | None = None, *, logged: bool = False) -> Make:
    """Post-trained by weighted binary classification, from the pretrained model.

    On constructed pages, or on logged ones alone. `overrides` are of both trainings.
    """
    told = overrides or {}

    def make(shop: Workshop) -> Made:
        trained = shop.pretrained(told)
        base = Base(model=trained.model, vocabulary=trained.vocabulary, positions={})
        epochs = POST_SHARE * shop.effort.passes
        return _valued(shop, {**told, "epochs": epochs}, Start(base=base), logged=logged)

    return make


def wbc_alone(shop: Workshop) -> Made:
    """From nothing, with the passes of both trainings of others and pretraining's learning rate."""
    epochs = (1.0 + POST_SHARE) * shop.effort.passes
    rate = shop.config({}).learning_rate
    return _valued(shop, {"epochs": epochs, "post.learning_rate": rate}, None, logged=False)


def _valued(shop: Workshop, overrides: Overrides, start: Start | None, *, logged: bool) -> Made:
    config = shop.config(
        {**overrides, "post.share": ALL, "pages_from": "logged" if logged else "constructed"}
    )
    snapshot, shown = shop.data.snapshot, Shown()
    if logged:
        snapshot = replace(snapshot, catalog=shop.log.catalog)
        shown = Shown(pages=shop.lessons)
    trained = shop.post_trained(snapshot, config, shown, start)
    return Made(bundle=shop.exported(trained), trained=trained)


def aligned(recipe: str) -> Make:
    """The pretrained model, aligned by reward models of one half of the log's members."""

    def make(shop: Workshop) -> Made:
        models, config = shop.reward_models, shop.align_config(RECIPES[recipe])
        with threads(1):
            done = align_on_pages(
                shop.champion,
                shop.log.pages,
                config,
                models.page_rewards,
                table=REWARD,
                models=models,
                progress=lambda at: shop.told("aligning", at.share_done),
                checkpoint=shop.kept.own(recipe, (config, shop.effort)),
            ).aligned
        trained = replace(shop.pretrained({}), model=done.policy.model)
        assert done.first is not None
        assert done.last is not None
        told = {**_of_round("first", done.first), **_of_round("last", done.last)}
        return Made(bundle=shop.exported(trained), trained=trained, told=told)

    return make


def _of_round(name: str, at: AlignProgress) -> dict[str, float]:
    """`judged` comes from the page reward model, whatever the recipe learns from."""
    return {
        f"{name}_reward": at.reward,
        f"{name}_judged": at.judged,
        f"{name}_kl": at.kl,
        f"{name}_nll": at.nll,
    }


BASELINE = "multi-stage"

GENERATIVE, WBC, LOGGED_WBC = "generative", "generative, WBC", "WBC on the log"

NO_CONTEXT: Overrides = {
    "context.summaries_max": 0,
    "context.new_max": 0,
    "context.live_max": 0,
}

SMALL: Overrides = {f"model.{name}": value for name, value in vars(PROFILES["small"]).items()}

CONTENDERS: Mapping[str, Make] = {
    BASELINE: multi_stage,
    GENERATIVE: generative,
    WBC: wbc(),
    "popularity": popularity,
    LOGGED_WBC: wbc(logged=True),
    **{recipe: aligned(recipe) for recipe in RECIPES},
    "WBC, no pretraining": wbc_alone,
    "WBC on the log, no random negatives": wbc({"post.random_negatives": 0}, logged=True),
    "WBC, no context": wbc(NO_CONTEXT),
    "WBC, profile small": wbc(SMALL),
}
