"""A training with post-training: the same bytes when resumed, and values instead of likelihoods."""

import dataclasses
import json
import math
import random
from pathlib import Path

import pytest
import torch
from pydantic import JsonValue, TypeAdapter
from safetensors.torch import save
from trainer.factories_logged import PagesWorld
from trainer.factories_trainer import SMALL, page_builder
from trainer.test_resume import InterruptedFitError

from pagecast.trainer.batches.batch import CutPage
from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.config import ObjectiveConfig, TrainConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features, row_ids
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.fitting.fit import FitProgress, FitResult, fit
from pagecast.trainer.fitting.forward import embed, packed_hidden
from pagecast.trainer.fitting.threads import threads
from pagecast.trainer.job import TrainJob
from pagecast.trainer.page_config import PostTrainConfig
from pagecast.trainer.pages.constructed import PageRow
from pagecast.trainer.train import fit_snapshot

POST = dataclasses.replace(
    SMALL,
    objective=ObjectiveConfig(history=0.0, pages=1.0, rows=0.3),
    epochs=12.0,
    positions_per_batch=1024,
    dropout=0.1,
    step_dropout=0.0,
    launch_rate=0.0,
    unknown_rate=0.0,
    pages_from="logged",
    opening_cuts_max=0,
    post=PostTrainConfig(share=0.5, learning_rate=1e-2),
)

OFFERED = ("e0", "e3", "e6", "e9")

LIKED = "e6"
"""Everybody plays it who sees it; it is mostly last. The others are left where they are."""


def sessions(root: Path) -> PagesWorld:
    """People who have just played e1, each with a page; they see two or all four of it."""
    world, draw = PagesWorld(root), random.Random(3)
    for number in range(60):
        user = f"u{number}"
        world.play(user, "", "e1", 30.0)
        order = [e for e in OFFERED if e != LIKED] + [LIKED]
        if draw.random() < 0.4:
            draw.shuffle(order)
        page = world.serve(user, {"top": order})
        seen = order if draw.random() < 0.6 else order[:2]
        world.see(user, page, *seen)
        if LIKED in seen:
            world.play(user, page, LIKED, 60.0)
        world.wait(40)
    return world.write()


@pytest.fixture(scope="module")
def pages_world(tmp_path_factory: pytest.TempPathFactory) -> PagesWorld:
    return sessions(tmp_path_factory.mktemp("sessions"))


@pytest.fixture(scope="module")
def data(pages_world: PagesWorld) -> Dataset:
    return pages_world.dataset()


def run(
    data: Dataset, config: TrainConfig = POST, folder: Path | None = None, stop_at: int = 0
) -> tuple[FitResult | None, list[FitProgress]]:
    seen: list[FitProgress] = []

    def follow(at: FitProgress) -> None:
        seen.append(at)
        if at.step == stop_at:
            raise InterruptedFitError

    try:
        with threads(1):
            return fit(data, page_builder(data, config), config, follow, folder), seen
    except InterruptedFitError:
        return None, seen


@pytest.fixture(scope="module")
def undisturbed(data: Dataset) -> tuple[FitResult, list[FitProgress]]:
    result, seen = run(data)
    assert result is not None
    return result, seen


def test_the_last_share_of_the_steps_is_post_training(
    undisturbed: tuple[FitResult, list[FitProgress]],
) -> None:
    result, seen = undisturbed
    first = next(at.step for at in seen if not math.isnan(at.value_loss))
    assert first == result.steps // 2 + 1
    assert seen[-1].value_loss < seen[first - 1].value_loss
    assert seen[-1].entity_loss == seen[first - 2].entity_loss, "pretraining's stands still"


@pytest.mark.parametrize("before", [-1, 0, 3], ids=["pretraining", "between", "post-training"])
def test_resumed_anywhere_it_ends_with_the_same_bytes(
    data: Dataset,
    undisturbed: tuple[FitResult, list[FitProgress]],
    tmp_path: Path,
    before: int,
) -> None:
    result, _ = undisturbed
    often = dataclasses.replace(POST, checkpoint_every_s=0.0)
    assert run(data, often, tmp_path, stop_at=result.steps // 2 + before)[0] is None
    resumed, seen = run(data, folder=tmp_path)
    assert len(seen) < result.steps
    assert resumed is not None
    assert save(resumed.model.state_dict()) == save(result.model.state_dict())
    assert resumed.pages == result.pages


@torch.no_grad()
def first_choice(data: Dataset, result: FitResult) -> str:
    """What greedy pages put first into row `top` for most of these people."""
    windows = Examples(data, page_builder(data, POST), POST).logged.impressed
    opened = PageRow(row=0, argument=-1, entities=(), weights=())
    pages = [[CutPage(cut=int(w.cuts_C[0]), rows=[opened], opening=True)] for w in windows]
    batch = pack(windows, pages, ahead_decay=1.0)
    features = catalog_features(data.catalog, data.vocabulary)
    embedded = embed(result.model, features, row_ids(data.catalog, data.vocabulary))
    hidden_JD = packed_hidden(result.model, embedded, batch)[batch.pages.at_J]
    best_J = (hidden_JD @ embedded.entity_output_ED.T).argmax(1)
    return data.catalog.entities[int(best_J.mode().values)].entity_id


def test_pretraining_imitates_the_page_and_post_training_offers_what_is_liked(
    data: Dataset, undisturbed: tuple[FitResult, list[FitProgress]]
) -> None:
    imitation, _ = run(data, dataclasses.replace(POST, post=PostTrainConfig()))
    assert imitation is not None
    assert first_choice(data, imitation) == OFFERED[0], "mostly first, never played"
    assert first_choice(data, undisturbed[0]) == LIKED


def test_from_the_store_to_the_facts(pages_world: PagesWorld) -> None:
    config = dataclasses.replace(POST, epochs=2.0)
    trained = fit_snapshot(TrainJob(source=Source(paths=pages_world.paths), config=config))
    told = trained.fit.pages
    assert (told["from"], told["logged"], told["users_constructed"]) == ("logged", 60, 0)
    trained_on = told["trained_on"]
    assert isinstance(trained_on, dict)
    assert trained_on["constructed_pages"] == trained_on["openings"] == 0
    assert trained_on["logged_pages"] > 60
    TypeAdapter(JsonValue).validate_python(json.loads(json.dumps(dict(told), allow_nan=False)))


def test_interactions_alone_are_enough(dataset: Dataset) -> None:
    """Chosen entities are positives, everything else may be drawn as a negative."""
    config = dataclasses.replace(POST, epochs=1.0, pages_from="both", opening_cuts_max=4)
    result, seen = run(dataset, config)
    assert result is not None
    assert math.isfinite(seen[-1].value_loss)
    trained_on = result.pages["trained_on"]
    assert isinstance(trained_on, dict)
    assert trained_on["logged_pages"] == 0
    assert trained_on["constructed_pages"] > 0
