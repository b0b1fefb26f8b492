"""What a downstream model gains from a pretrained one: how few labels do as well as many.

    python benchmarks/task.py --data ml-100k --users 100 --passes 6
    python benchmarks/task.py --data ml-100k --users 100 --passes 6 --label chosen

Two tasks on MovieLens. `stars`: does somebody give a film four stars or more? Rows are the
interactions with a rating. `chosen`: does somebody choose this film now, or was it drawn by how
often films are chosen? Rows are interactions, and one drawn film for each. The model was pretrained
on earlier interactions only, and the newest fifth of the rows is the test.

"scratch" is the same network, encoders and head, with random weights, fitted as a whole on all
rows; "history" is a head on what can be counted without a model (the history's genres and number of
films, and the film's genres); "frozen" is a head on the pretrained model's published embeddings,
"whole" is that model moved along with the head, as `--task` with `whole` does it; the last three
with all rows and with a tenth. Prints one JSON document; learn.md has the results.

Letters: X rows, G genres.
"""

import argparse
import copy
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from pagecast.cli.evaluation.data import open_data
from pagecast.engine.vectors.stabilisation import Stabilisation
from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.featurestore.history.steps import Step
from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.benchmarks.views import some_users
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import catalog_features
from pagecast.trainer.data.users import prompt_at
from pagecast.trainer.evaluation.protocols.chronological import Cut
from pagecast.trainer.evaluation.protocols.interactions import Interactions, interactions_of
from pagecast.trainer.evaluation.systems.training import known_of
from pagecast.trainer.job import Trained
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.tasks.config import TaskConfig
from pagecast.trainer.tasks.figures import figures_of
from pagecast.trainer.tasks.fitting import TaskData, Trunk, embedded, fit_frozen, fit_whole
from pagecast.trainer.tasks.head import TaskHead, fit_head
from pagecast.trainer.tasks.prompts import TaskPrompt, TaskPrompts
from pagecast.trainer.tasks.rows import LabelKind
from pagecast.trainer.train import fit_on

PRETRAINED_ON, TESTED, GOOD_STARS = 0.6, 0.2, 4.0
"""Shares of the interactions: the oldest are pretrained on, the rest are rows, the newest of these
are the test."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A row: who was asked, when, about which film, and what came of it."""

    x: int
    """The interaction before which it is asked."""
    entity: int
    label: float


def stars(data: Interactions, order_X: Sequence[int]) -> Iterator[Asked]:
    for x in order_X:
        step = step_of(data, x)
        if step.rating is not None:
            entity = data.catalog.entity_index[step.entity_id]
            yield Asked(x=x, entity=entity, label=float(step.rating >= GOOD_STARS))


def chosen(data: Interactions, order_X: Sequence[int]) -> Iterator[Asked]:
    """Nothing that the person has chosen before is drawn."""
    rng = np.random.default_rng(0)
    index = data.catalog.entity_index
    entity_X = np.array([index.get(step_of(data, x).entity_id, -1) for x in range(len(data))])
    known_X = entity_X[np.setdiff1d(np.arange(len(data)), order_X)]
    often_E = np.bincount(known_X[known_X >= 0], minlength=len(index)).astype(np.float64)
    for x in order_X:
        user, cut = data.users[data.user_X[x]], int(data.step_X[x])
        own_E = often_E.copy()
        own_E[[index[s.entity_id] for s in user.steps[: cut + 1] if s.entity_id in index]] = 0.0
        yield Asked(x=x, entity=int(entity_X[x]), label=1.0)
        yield Asked(x=x, entity=int(rng.choice(len(own_E), p=own_E / own_E.sum())), label=0.0)


LABELS = {"stars": stars, "chosen": chosen}


def step_of(data: Interactions, x: int) -> Step:
    step: Step = data.users[data.user_X[x]].steps[int(data.step_X[x])]
    return step


def rows_of(data: Interactions, trained: Trained, label: str) -> tuple[TaskData, Tensor]:
    """Rows in time order, and what can be counted for each."""
    order_X = data.in_time_order()[round(PRETRAINED_ON * len(data)) :]
    index = data.catalog.entity_index
    may_X = [
        int(x)
        for x in order_X
        if step_of(data, int(x)).entity_id in index
        and data.users[data.user_X[x]].cut_N[int(data.step_X[x])]
    ]
    genres = sorted({genre for entity in data.catalog.entities for genre in entity.genres})
    of_entity = np.array(
        [[genre in entity.genres for genre in genres] for entity in data.catalog.entities],
        np.float32,
    )
    prompts, rows, counted = [], list(LABELS[label](data, may_X)), []
    for row in rows:
        user, cut = data.users[data.user_X[row.x]], int(data.step_X[row.x])
        prompt = prompt_at(user, cut, data.catalog, trained.vocabulary.context)
        encoded = encode_prompt(prompt, trained.vocabulary)
        entity_T = np.array([index.get(e, -1) for e in encoded.entity_ids], np.int64)
        prompts.append(TaskPrompt(entity_T=entity_T, fields_TF=encoded.fields_TF))
        seen = [index[s.entity_id] for s in prompt.steps if s.entity_id in index]
        history_G = of_entity[seen].mean(0) if seen else np.zeros(len(genres), np.float32)
        own_G = of_entity[row.entity]
        counted.append([*history_G, np.log1p(len(seen)), *own_G, *(history_G * own_G)])
    numbers_X = np.arange(len(prompts))
    return TaskData(
        prompts=TaskPrompts(prompts=prompts, prompt_X=numbers_X, strangers=0),
        entity_X=torch.tensor([row.entity for row in rows]),
        label_X=torch.tensor([row.label for row in rows]),
    ), torch.tensor(np.array(counted, np.float32))


def some_rows(data: TaskData, rows: Sequence[int]) -> TaskData:
    return TaskData(
        prompts=replace(data.prompts, prompt_X=data.prompts.prompt_X[list(rows)]),
        entity_X=data.entity_X[list(rows)],
        label_X=data.label_X[list(rows)],
    )


def auc(head: TaskHead, given: Sequence[Tensor], data: TaskData, fitted: int) -> float:
    with torch.no_grad():
        score_XK = head.scores(head.logits(*given)).numpy()
    label_X = data.label_X.numpy()
    return figures_of(LabelKind.BINARY, score_XK[fitted:], label_X[fitted:], label_X)["auc"]


def auc_on(head: TaskHead, trunk: Trunk, data: TaskData, fitted: int) -> float:
    return auc(head, embedded(trunk, data, of_entities=True), data, fitted)


def trunk_of(model: PageModel, data: Interactions, trained: Trained) -> Trunk:
    width = model.config.output_width
    features = catalog_features(data.catalog, trained.vocabulary)
    return Trunk.of(model, trained.vocabulary, Stabilisation.identity(width), features)


class _Figures(dict[str, float]):
    """Reports each figure as it is found: the whole takes minutes."""

    def __setitem__(self, name: str, value: float) -> None:
        super().__setitem__(name, value)
        print(f"{name} {value:.4g}", file=sys.stderr, flush=True)


def compared(data: Interactions, trained: Trained, passes: int, label: str) -> dict[str, float]:
    rows, counted_XN = rows_of(data, trained, label)
    fitted = round((1.0 - TESTED) * len(rows.label_X))
    together = 2 if label == "chosen" else 1  # a drawn film stays with the chosen one
    some = [row for row in range(fitted) if row // together % 10 == 0]
    tenth, few_fitted = [*some, *range(fitted, len(rows.label_X))], len(some)
    few = some_rows(rows, tenth)
    width = trained.model.config.output_width
    found = _Figures()
    found["rows"], found["positive"] = float(fitted), float(rows.label_X.mean())

    def head() -> TaskHead:
        return TaskHead(LabelKind.BINARY, 0, width, of_entities=True)

    trunk = trunk_of(trained.model, data, trained)
    for name, part, count in (("", rows, fitted), (", a tenth of the rows", few, few_fitted)):
        own = head()
        fit_frozen(own, trunk, part, count)
        found[f"AUC, frozen{name}"] = auc_on(own, trunk, part, count)
        moved = trunk_of(copy.deepcopy(trained.model), data, trained)
        fit_whole(own, moved, part, count, TaskConfig(threads=1), lambda _: None)
        found[f"AUC, whole{name}"] = auc_on(own, moved, part, count)
        counts = TaskHead(LabelKind.BINARY, 0, counted_XN.shape[1], of_entities=False)
        chosen_XN = counted_XN if part is rows else counted_XN[tenth]
        fit_head(counts, chosen_XN[:count], part.label_X[:count])
        found[f"AUC, history{name}"] = auc(counts, [chosen_XN], part, count)
    torch.manual_seed(0)
    empty = PageModel(trained.config.model, trained.vocabulary)
    empty.tower.load_state_dict(
        {n: t for n, t in trained.model.tower.state_dict().items() if n.startswith("seen_")},
        strict=False,
    )
    scratch, own = trunk_of(empty, data, trained), head()
    fit_frozen(own, scratch, rows, fitted)
    config = TaskConfig(passes=passes, learning_rate=1e-3, threads=1)
    fit_whole(own, scratch, rows, fitted, config, lambda _: None)
    found["AUC, scratch"] = auc_on(own, scratch, rows, fitted)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--passes", type=float, default=6.0, help="of pretraining")
    parser.add_argument("--label", choices=list(LABELS), default="stars")
    parser.add_argument("--scratch-passes", type=int, default=3)
    parser.add_argument("--state-dir", type=Path, default=Path(".pagecast"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    opened = open_data(asked.data, StatePaths(root=asked.state_dir), DEFAULT_FOLD, Console())
    data = interactions_of(opened.interchange.users, opened.interchange.catalog)
    data = some_users(data, asked.users)
    began_s = time.process_time()
    known = Cut(False, data).part(data.in_time_order(), round(PRETRAINED_ON * len(data)))
    config = TrainConfig(threads=1, epochs=asked.passes, budget_minutes=600.0)
    found = compared(data, fit_on(known_of(known), config), asked.scratch_passes, asked.label)
    print(json.dumps({**found, "cpu_seconds": time.process_time() - began_s}, indent=1))


if __name__ == "__main__":
    main()
