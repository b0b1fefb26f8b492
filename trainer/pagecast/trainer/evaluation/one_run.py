"""One seed of a family goes through a plan: choose, fit, answer, make pages."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pagecast.trainer.evaluation.answering import answer
from pagecast.trainer.evaluation.figures.ranks import Ranks, ndcg_gains
from pagecast.trainer.evaluation.pages.page_asked import AskedPage, MakesPages
from pagecast.trainer.evaluation.pages.page_figures import page_figures
from pagecast.trainer.evaluation.protocols.requests import Plan
from pagecast.trainer.evaluation.reports.page_report import PageFigures
from pagecast.trainer.evaluation.systems.system import Candidate, Family, System


@dataclass(frozen=True, kw_only=True)
class EvaluationProgress:
    """Where an evaluation is: `stage` is "choose", "fit", "score" or "pages"."""

    system: str
    seed: int
    stage: str
    share_done: float


Progress = Callable[[EvaluationProgress], None]


class Run:
    """`answers` are by delay, `beside` by name; `pages` if asked for and the system makes any.

    `cpu_seconds` is the process's, without pages.
    """

    def __init__(
        self,
        plan: Plan,
        family: Family,
        seed: int,
        progress: Progress,
        asked: Sequence[AskedPage] = (),
    ) -> None:
        self._plan = plan
        self._told = partial(_tell, progress, family.name, seed)
        began_s = time.process_time()
        chosen = self._choose(family.candidates(seed))
        system = chosen.make()
        self.chosen = chosen.chosen
        self.answers = self._answers(system)
        self.beside = {name: answer(system, split) for name, split in plan.beside.items()}
        self.cpu_seconds = time.process_time() - began_s
        self.pages = self._pages(system, asked)

    def _choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """The best masked NDCG@10 on validation; the first of equal ones."""
        best, best_ndcg = candidates[0], -1.0
        validation = self._plan.validation
        if len(candidates) == 1 or not validation.requests:
            return best
        for number, candidate in enumerate(candidates):
            system = candidate.make()
            system.fit(validation.part, lambda _: None)
            ndcg = float(ndcg_gains(answer(system, validation).masked_T).mean())
            if ndcg > best_ndcg:
                best, best_ndcg = candidate, ndcg
            self._told("choose", (number + 1) / len(candidates))
        return best

    def _answers(self, system: System) -> dict[float, Ranks]:
        """Ranks by delay. Systems that learn are fitted anew for each, the others once.

        A retrained model begins from its fit again, which is kept (`Trainings`).
        """
        answers = dict[float, Ranks]()
        for number, (delay_s, split) in enumerate(self._plan.tests.items()):
            if not answers or system.learns or split.retrainings:
                system.fit(split.part, partial(self._told, "fit"))
            answers[delay_s] = answer(system, split, self._share_of(number))
        return answers

    def _pages(self, system: System, asked: Sequence[AskedPage]) -> PageFigures | None:
        if not asked or not isinstance(system, MakesPages):
            return None
        with system.pages() as make:
            return page_figures(
                self._plan.test.part.data,
                asked,
                make,
                says_probabilities=system.says_probabilities,
                told=partial(self._told, "pages"),
            )

    def _share_of(self, number: int) -> Callable[[float], None]:
        return lambda share: self._told("score", (number + share) / len(self._plan.tests))


def _tell(progress: Progress, system: str, seed: int, stage: str, share: float) -> None:
    progress(EvaluationProgress(system=system, seed=seed, stage=stage, share_done=share))
