"""Prequential learning: for each next slice of the timeline sync, evaluate, train.

Sync: histories grow. Evaluate: every interaction of the slice is predicted from strictly earlier
steps, with weights that end before the slice. Train: as each strategy does.

Letters: X interactions, U users, T targets.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.protocols.chronological import Cut
from pagecast.trainer.evaluation.protocols.forgetting import masked_ndcg
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.requests import FRESH, FitPart, Split
from pagecast.trainer.evaluation.systems.retraining import retrained
from pagecast.trainer.evaluation.systems.training import known_of
from pagecast.trainer.job import Trained
from pagecast.trainer.start_config import NewEntities, StartConfig
from pagecast.trainer.train import fit_on

NEVER, FULL, INCREMENTAL = "never retrained", "full retrain", "incremental"

NEW_ENTITIES: tuple[NewEntities, ...] = ("fallback", "similar", "mean")

Told = Callable[[float], None]


def incremental_name(new_entities: str) -> str:
    """The strategy that begins new entities this way."""
    return f"{INCREMENTAL}, {new_entities}"


def learned(
    data: Interactions,
    config: TrainConfig,
    *,
    slices: int,
    begin: float,
    told: Told = lambda _: None,
) -> Figures:
    """Figures of every strategy, slice by slice, from the second one on: before it all are alike.

    `begin` is the share of the interactions that the first model is trained on; the rest is
    `slices` of equal number. The last slice is evaluated on and not trained on.
    """
    return _Prequential(data, config, slices, begin, told).figures()


class _Prequential:
    def __init__(
        self, data: Interactions, config: TrainConfig, slices: int, begin: float, told: Told
    ) -> None:
        if slices < 2 or not 0.0 < begin < 1.0:
            raise ValueError("slices must be 2 at least, begin between 0 and 1")
        self._data, self._config, self._told = data, config, told
        self._order_X = data.in_time_order()
        self._cut = Cut(False, data)
        ends = np.linspace(begin, 1.0, slices + 1) * len(data)
        self._ends = ends.round().astype(int).tolist()
        self._figures: dict[str, list[float]] = {}
        self._trainings, self._done = 1 + (slices - 1) * (1 + len(NEW_ENTITIES)), 0

    def figures(self) -> Figures:
        part = self._part(0)
        first = self._cost("first", partial(fit_on, known_of(part), self._config, self._progress))
        lines = {incremental_name(policy): first for policy in NEW_ENTITIES}
        full = first
        for number in range(1, len(self._ends) - 1):
            before, part = part, self._part(number)
            for policy in NEW_ENTITIES:
                name = incremental_name(policy)
                train = partial(self._incremental, lines[name], before, part, policy)
                lines[name] = self._cost(name, train)
            full = self._cost(FULL, partial(fit_on, known_of(part), self._config, self._progress))
            every = {NEVER: first, **lines, FULL: full}
            self._evaluate(every, self._split(part, number), before)
        self._look_back({NEVER: first, **lines, FULL: full})
        return dict(self._figures)

    def _part(self, number: int) -> FitPart:
        return self._cut.part(self._order_X, self._ends[number])

    def _split(self, part: FitPart, number: int) -> Split:
        target_X = self._order_X[self._ends[number] : self._ends[number + 1]]
        return self._cut.after(part, target_X, FRESH)

    def _cost(self, strategy: str, train: Callable[[], Trained]) -> Trained:
        """CPU seconds of this process: everything from users' steps to weights."""
        began_s = time.process_time()
        trained = train()
        self._add("cpu_seconds", strategy, time.process_time() - began_s)
        self._add("optimizer_steps", strategy, float(trained.fit.steps))
        self._done += 1
        return trained

    def _incremental(
        self, last: Trained, before: FitPart, part: FitPart, policy: NewEntities
    ) -> Trained:
        config = replace(self._config, start=StartConfig(new_entities=policy))
        runs = len(self._figures.get(f"cpu_seconds, {incremental_name(policy)}", ()))
        return retrained(last, before, part, config, runs=runs, progress=self._progress)

    def _evaluate(self, every: dict[str, Trained], split: Split, before: FitPart) -> None:
        """Of new entities: what had no interaction before the slice that was trained on last."""
        target_T = split.targets()
        fit_X = before.interactions()
        new_T = ~np.isin(self._data.entity_X[target_T], self._data.entity_X[fit_X])
        for strategy, trained in every.items():
            gain_T = masked_ndcg(trained.model, trained.vocabulary, split)
            self._add("ndcg_at_10", strategy, float(gain_T.mean()))
            self._add(
                "new_ndcg_at_10", strategy, float(gain_T[new_T].mean()) if new_T.any() else 0.0
            )
        self._figures.setdefault("new_targets", []).append(float(new_T.sum()))
        self._figures.setdefault("targets", []).append(float(len(new_T)))

    def _look_back(self, every: dict[str, Trained]) -> None:
        """On as many interactions as a slice has, the newest that all of them were trained on."""
        end, size = self._ends[0], self._ends[1] - self._ends[0]
        begin = max(0, end - size)
        part = self._cut.part(self._order_X, begin)
        split = self._cut.after(part, self._order_X[begin:end], FRESH)
        for strategy, trained in every.items():
            gain_T = masked_ndcg(trained.model, trained.vocabulary, split)
            self._add("old_ndcg_at_10", strategy, float(gain_T.mean()))

    def _add(self, figure: str, strategy: str, value: float) -> None:
        self._figures.setdefault(f"{figure}, {strategy}", []).append(value)

    def _progress(self, at: object) -> None:
        share = getattr(at, "share_done", 0.0)
        self._told((self._done + share) / self._trainings)
