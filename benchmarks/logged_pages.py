"""What logged pages, post-training and correction are worth where the truth is known.

    PYTHONPATH=tests python benchmarks/logged_pages.py [SEED...]

A made-up log, not real data: people like one of three genres, entities differ in quality, and the
page they were served orders entities by a popularity that has nothing to do with either. What
stands lower is seen less. Prints, by configuration, how probable it truly is that somebody new
plays what the model would put into the first four places, if they were seen: out of the whole
catalog, and out of the eight entities that production would have served.
"""

import dataclasses
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from trainer.factories_logged import PagesWorld
from trainer.factories_trainer import ENTITIES, SMALL, entity_id, page_builder, replayed

from pagecast.trainer.batches.batch import CutPage
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.config import ObjectiveConfig
from pagecast.trainer.data.dataset import (
    Dataset,
    build_dataset,
    catalog_features,
    next_row,
    row_ids,
)
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.users import windows
from pagecast.trainer.fitting.fit import FitResult, fit
from pagecast.trainer.fitting.forward import embed, packed_hidden
from pagecast.trainer.page_config import LoggedConfig, PostTrainConfig, PresentationConfig
from pagecast.trainer.pages.constructed import NO_ARGUMENT, PageRow

Numbers = npt.NDArray[np.float64]
Found = tuple[float, float]
"""Out of the whole catalog, and out of what would have been served."""

SERVED, HELD_OUT, PAGES, PLACES, OFFERED = 150, 60, 2, 8, 4

BASE = dataclasses.replace(
    SMALL,
    objective=ObjectiveConfig(history=1.0, pages=1.0, rows=0.1),
    epochs=10.0,
    positions_per_batch=2048,
    opening_cuts_max=2,
    learning_rate=5e-3,
    dropout=0.1,
)
POST = PostTrainConfig(share=0.5, learning_rate=5e-3)
STRENGTH = LoggedConfig(order="strength", exposed_weight=0.0)
CORRECTED = PresentationConfig(correct=True)
POINT_WISE = dataclasses.replace(BASE.objective, page_wise=False)

CONSTRUCTED = dataclasses.replace(BASE, pages_from="constructed")
LOGGED = dataclasses.replace(BASE, pages_from="logged")

ABLATIONS = {
    "constructed pages, pretraining": CONSTRUCTED,
    "constructed pages, WBC": dataclasses.replace(CONSTRUCTED, post=POST),
    "logged, layout order": LOGGED,
    "logged, layout order, point-wise": dataclasses.replace(LOGGED, objective=POINT_WISE),
    "logged, by strength": dataclasses.replace(LOGGED, logged=STRENGTH),
    "logged, by strength, corrected": dataclasses.replace(
        LOGGED, logged=STRENGTH, presentation=CORRECTED
    ),
    "logged, WBC": dataclasses.replace(LOGGED, post=POST),
    "logged, WBC, corrected": dataclasses.replace(LOGGED, post=POST, presentation=CORRECTED),
    "logged, WBC, no random negatives": dataclasses.replace(
        LOGGED, post=dataclasses.replace(POST, random_negatives=0)
    ),
    "logged, WBC, point-wise": dataclasses.replace(LOGGED, post=POST, objective=POINT_WISE),
}


class Truth:
    """Who plays what if it is seen, and how production orders a page."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.quality = [self.draw.uniform(0.2, 1.0) for _ in range(ENTITIES)]
        self.popularity = [self.draw.uniform(0.0, 1.0) for _ in range(ENTITIES)]

    def plays(self, genre: int, entity: int) -> float:
        return (0.6 if entity % 3 == genre else 0.1) * self.quality[entity]

    def page(self) -> list[int]:
        noisy = {e: p + self.draw.gauss(0.0, 0.3) for e, p in enumerate(self.popularity)}
        return sorted(noisy, key=lambda e: -noisy[e])[:PLACES]

    def seen(self, place: int) -> bool:
        return self.draw.random() < 0.9 * 0.7**place


def live(world: PagesWorld, truth: Truth) -> dict[str, int]:
    """Everybody's events and pages; returns each person's genre."""
    genres = {}
    for number in range(SERVED + HELD_OUT):
        user, genre = f"u{number}", truth.draw.randrange(3)
        genres[user] = genre
        for _ in range(5):
            world.play(user, "", entity_id(genre + 3 * truth.draw.randrange(ENTITIES // 3)), 30.0)
            world.wait(60)
        for _ in range(PAGES if number < SERVED else 0):
            order = truth.page()
            page = world.serve(user, {"top": [entity_id(e) for e in order]})
            seen = [e for place, e in enumerate(order) if truth.seen(place)]
            world.see(user, page, *map(entity_id, seen))
            for entity in seen:
                if truth.draw.random() < truth.plays(genre, entity):
                    world.play(user, page, entity_id(entity), 20.0)
            world.wait(60)
    return genres


@torch.no_grad()
def scores(result: FitResult, data: Dataset, people: Sequence[UserSteps]) -> Numbers:
    """`score_JE`: every entity's score for each person, after [prompt, ROW top]."""
    opened = PageRow(row=next_row(data.catalog), argument=NO_ARGUMENT, entities=(), weights=())
    asked = [
        next(windows(n, user, [len(user.steps) - 1], data.catalog, data.vocabulary))
        for n, user in enumerate(people)
    ]
    pages = [[CutPage(cut=int(w.cuts_C[0]), rows=[opened], opening=True)] for w in asked]
    batch = pack(asked, pages, ahead_decay=1.0)
    features = catalog_features(data.catalog, data.vocabulary)
    embedded = embed(result.model, features, row_ids(data.catalog, data.vocabulary))
    hidden_JD = packed_hidden(result.model, embedded, batch)[torch.from_numpy(batch.pages.at_J)]
    score_JE: Numbers = (hidden_JD @ embedded.entity_output_ED.T).numpy().astype(np.float64)
    return score_JE


def offered(score_JE: Numbers, true_JE: Numbers, served_JE: npt.NDArray[np.bool_]) -> Found:
    """True values of the best four by score: of the catalog, and of what would have been served."""

    def first_four(allowed_JE: npt.NDArray[np.bool_]) -> float:
        order_JE = np.argsort(-np.where(allowed_JE, score_JE, -np.inf), axis=1)
        return float(np.take_along_axis(true_JE, order_JE[:, :OFFERED], axis=1).mean())

    return first_four(np.ones_like(served_JE)), first_four(served_JE)


def measure(seed: int) -> dict[str, Found]:
    truth = Truth(seed)
    with tempfile.TemporaryDirectory() as folder:
        world = PagesWorld(Path(folder))
        genres = live(world, truth)
        world.write()
        users = replayed(world.events)
        shown = world.shown()
    people = [u for u in users if int(u.user_id[1:]) >= SERVED]
    learned = [u for u in users if int(u.user_id[1:]) < SERVED]
    data = build_dataset(world.catalog, learned, SMALL.engagement, shown=shown)
    numbers = [int(e.entity_id[1:]) for e in world.catalog.entities]
    true_JE = np.array([[truth.plays(genres[u.user_id], e) for e in numbers] for u in people])
    production_JE = np.full(true_JE.shape, -np.inf)
    for person in range(len(people)):
        for place, entity in enumerate(truth.page()):
            production_JE[person, numbers.index(entity)] = -place
    served_JE = np.isfinite(production_JE)
    found = {
        "as served": offered(production_JE, true_JE, served_JE),
        "the best possible": offered(true_JE, true_JE, served_JE),
    }
    for name, ablation in ABLATIONS.items():
        config = dataclasses.replace(ablation, seed=seed)
        result = fit(data, page_builder(data, config), config)
        found[name] = offered(scores(result, data, people), true_JE, served_JE)
        sys.stderr.write(f"seed {seed}: {name}: {found[name]}\n")
    return found


def main(seeds: Sequence[int]) -> None:
    torch.set_num_threads(1)
    by_seed = [measure(seed) for seed in seeds]
    for name in by_seed[0]:
        cells = []
        for which in (0, 1):
            values = [found[name][which] for found in by_seed]
            each = ", ".join(f"{value:.3f}" for value in values)
            cells.append(f"{np.mean(values):.3f} ({each})")
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [0, 1, 2])
