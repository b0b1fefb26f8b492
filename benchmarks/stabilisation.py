"""What a release does to a downstream model, with and without stabilised embeddings.

    python benchmarks/stabilisation.py --data ml-100k --users 300 --passes 4

Six releases on one timeline, each after some more of it: trained anew from other random weights, or
incrementally from the release before. A linear model is fitted to the embeddings that release 0
publishes, and asked with those of every release: for entities it was not fitted on, which genres
they have; for users, which genres they choose next. Prints one JSON document with mean AUCs over
genres; "refitted" is the same linear model fitted to the release's own embeddings. learn.md has the
results.

Letters: E entities, U users, G genres, P width of embeddings.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console

from pagecast.cli.bench.model_data import MADE_UP
from pagecast.cli.evaluation.data import open_data
from pagecast.engine.vectors.stabilisation import Stabilisation
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.benchmarks.made_up import made_up
from pagecast.trainer.benchmarks.views import some_users
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.figures.auc import weighted_auc
from pagecast.trainer.evaluation.protocols.chronological import Cut
from pagecast.trainer.evaluation.protocols.interactions import Interactions, interactions_of
from pagecast.trainer.evaluation.systems.retraining import retrained
from pagecast.trainer.evaluation.systems.training import known_of
from pagecast.trainer.export.release import Before, Own, Release, own_embeddings, some_of, stabilise
from pagecast.trainer.job import Trained
from pagecast.trainer.train import fit_on

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.floating]

RELEASES, BEGIN = 6, 0.75
POSITIVES_MIN = 10
"""With fewer of a genre among those asked, an AUC says nothing."""


class Task:
    """Every second row is fitted on, the others are tested."""

    def __init__(self, label_XG: Labels) -> None:
        asked_XG = label_XG[1::2]
        enough_G = (asked_XG.sum(0) >= POSITIVES_MIN) & (label_XG[::2].sum(0) >= POSITIVES_MIN)
        self._label_XG = label_XG[:, enough_G]

    def fitted(self, table_XP: Floats) -> Weights:
        """Ridge regression, with a tenth of a direction's mean square as its strength."""
        known = _with_one(table_XP[::2])
        gram = known.T @ known
        gram += np.eye(len(gram)) * 0.1 * np.trace(gram) / len(gram)
        return np.linalg.solve(gram, known.T @ self._label_XG[::2])

    def auc(self, weights: Weights, table_XP: Floats) -> float:
        score_XG = _with_one(table_XP[1::2]) @ weights
        one_X = np.ones(len(score_XG))
        label_XG = self._label_XG[1::2]
        return float(
            np.mean(
                [weighted_auc(s, y, one_X) for s, y in zip(score_XG.T, label_XG.T, strict=True)]
            )
        )


def _with_one(table_XP: Floats) -> npt.NDArray[np.float64]:
    return np.hstack([table_XP.astype(np.float64), np.ones((len(table_XP), 1))])


def genres_of(catalog: CatalogSnapshot, names: Sequence[str]) -> Labels:
    genres = sorted({genre for entity in catalog.entities for genre in entity.genres})
    found = [set(catalog.entities[catalog.entity_index[name]].genres) for name in names]
    return np.array([[genre in own for genre in genres] for own in found])


def releases(data: Interactions, config: TrainConfig, *, incremental: bool) -> list[Trained]:
    """Release 0 and those after it."""
    order_X, cut, made = data.in_time_order(), Cut(False, data), list[Trained]()
    ends = (np.linspace(BEGIN, 1.0, RELEASES) * len(data)).round().astype(int).tolist()
    parts = [cut.part(order_X, end) for end in ends]
    for number, part in enumerate(parts):
        if number and incremental:
            made.append(retrained(made[-1], parts[number - 1], part, config, runs=number))
        else:
            made.append(fit_on(known_of(part), replace(config, seed=number)))
    return made


def compared(data: Interactions, made: Sequence[Trained]) -> list[dict[str, object]]:
    """A row for each release."""
    users = some_of([u for u in data.users if u.steps[-1].entity_id in data.catalog.entity_index])
    user_task = Task(genres_of(data.catalog, [user.steps[-1].entity_id for user in users]))
    known = [n for n in made[0].vocabulary.entities if n in data.catalog.entity_index]
    entity_task = Task(genres_of(data.catalog, known))
    rows, before = list[dict[str, object]](), Before(why_none="release 0")
    fitted = dict[tuple[str, str], Weights]()
    for number, trained in enumerate(made):
        found = stabilise(trained.model, trained.vocabulary, data.catalog, trained.sample, before)
        own = own_embeddings(trained.model, trained.vocabulary, data.catalog, users)
        maps = {"map": found.stabilisation, "no map": Stabilisation.identity(own.user_UO.shape[1])}
        row: dict[str, object] = {"release": number, **found.metrics, **_products(own, maps["map"])}
        for name, published in maps.items():
            entity_EP = published.entities(own.entity_EO[[own.place[n] for n in known]])
            user_UP = published.users(own.user_UO)
            for what, task, table_XP in (
                ("entities", entity_task, entity_EP),
                ("users", user_task, user_UP),
            ):
                again = task.fitted(table_XP)
                weights = fitted.setdefault((name, what), again)
                row[f"AUC, {what}, {name}"] = task.auc(weights, table_XP)
                row[f"AUC, {what}, {name}, refitted"] = task.auc(again, table_XP)
        rows.append(row)
        before = Before(
            release=Release(
                version=str(number),
                model=trained.model,
                vocabulary=trained.vocabulary,
                stabilisation=found.stabilisation,
            )
        )
    return rows


def _products(own: Own, published: Stabilisation) -> dict[str, object]:
    """Largest change of a product, relative to the largest product."""
    scores = own.entity_EO @ own.user_UO.T
    found = published.entities(own.entity_EO) @ published.users(own.user_UO).T
    return {"products changed by": float(np.abs(found - scores).max() / np.abs(scores).max())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=MADE_UP)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--passes", type=float, default=4.0)
    parser.add_argument("--incremental", action="store_true")
    parser.add_argument("--state-dir", type=Path, default=Path(".pagecast"))
    asked = parser.parse_args()
    if asked.data == MADE_UP:
        data = made_up(DEFAULT_FOLD, users=asked.users)
    else:
        opened = open_data(asked.data, StatePaths(root=asked.state_dir), DEFAULT_FOLD, Console())
        data = interactions_of(opened.interchange.users, opened.interchange.catalog)
    data = some_users(data, asked.users)
    config = TrainConfig(threads=1, epochs=asked.passes, budget_minutes=600.0)
    began_s = time.process_time()
    rows = compared(data, releases(data, config, incremental=asked.incremental))
    print(json.dumps({"cpu_seconds": time.process_time() - began_s, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
